"""How fast bags are trained, beside other ways to train them: `make bench`.

cases            what is trained: rows, network, optimiser, batch
contestants      who trains it, in how many processes and threads
work             what was done, when, and the rate while all were busy
peers            each library, used as a good user of it would
worker           a process of one contestant and one case, which lives on
memory           the greatest memory of a process and its children
peak             the matrix products that the processor can do
measure          alternating repetitions, medians and ratios
growth           time against members, rows and width
winner           the winning recipe on 250,000 simulated events, on a GPU
table, plot      the results as Markdown and as pictures
__main__         the command
"""
