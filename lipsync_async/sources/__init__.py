"""What a job is made of: the faces of a video, and the speech of a text; two small calls that are paid as well.

It imports `tasks`, `dispatch`, `downloads`, `journal`, `wire`, `request` and the words.
Start to read at `calls`, which the client has; `maker` makes what the jobs of a run lack, `resolving` decides, `paying`
sends, and `pauses` says when to ask for one that is a task.
"""
