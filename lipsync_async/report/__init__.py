"""One page about a batch, made of its journal alone.

`gathering.gather` reads the journal once, in bounded memory, and gives `facts.Facts`; `page.render` makes the page of
them, which is never larger than `page.LARGEST`.
All other rooms are pure: `texts` makes what others wrote harmless, `picking` chooses the rows, `timeline` counts what
happened when, `levels` tells what the pacer had learned by then, `advice` says what to do next, `charts` and `table`
draw.
It imports the words, `journal`, `tasks` and, for the pacer's history, `dispatch`, and is imported by `cli` alone.
Start to read at `facts`, then `gathering`, then `page`.
"""
