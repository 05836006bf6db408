"""From the model's markdown to what a platform may be sent.  Pure; `bot.show.pages` puts it together.

scanner      where blocks begin and end
sheet        the blocks of the page that grows
block        one block while it grows: what is open in it is closed or held back by `mend`
divide       one block on two pages; `cuts` says where
markdown     the parser
dialect      how a block is written for a platform, by `writing`; adapters override what differs
safe         what no text leaves without
references   definitions and footnotes that were seen
filenames    names of files that go out
"""
