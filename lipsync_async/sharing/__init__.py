"""Many processes, one account: they share what they learned of its limits, through a store that all of them reach.

`protocol` is what a store is, `turns` is the pacer that a client has in place of its own (`hand` is its pure part),
`share` is what each does while the store is away; `file` and `redis` are stores, and `address` picks one.
The brain is `dispatch.pacing.book`, and it is the same in all of them.
It may import `dispatch.pacing`, and no other part of `dispatch`.
Start to read at `protocol`.
"""
