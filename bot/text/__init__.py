"""From the model's markdown to what a platform may be sent.  Pure; `bot.show.pages` puts it together.

grammar      the parser: the only one that says what is a list, a link, a formula
edge         the end of a text that grows: what is open is closed or held back
writing      blocks, from the parser's tree to text as a dialect writes it; `line` what stands in one
dialect      how a platform's markdown is written; adapters override what differs
blocks       blocks as they are shown
divide       one block on two pages; `cuts` says where, `lead` what the second part needs before it
safe         what no text leaves without
filenames    names of files that go out
"""
