"""A spreadsheet as a list of jobs: checked as a whole, submitted, results in a file."""

import asyncio
import sys
from pathlib import Path

from lipsync_async import JobList, LipSyncClient

TABLE = Path(__file__).parent / "jobs.csv"


async def main() -> None:
    with JobList.open(TABLE) as table:
        report = table.check()
        if not report.ok:  # nothing was sent yet: tell every fault with its line
            sys.exit("\n".join(map(str, report.faults)))
        print(f"{report.jobs} jobs, about {report.units:g} units at list price")
        async with LipSyncClient() as client:
            result = await client.submit_many(table, journal="ep2.db")
    result.write_jsonl("results.jsonl")
    print(f"{len(result.accepted)} of {len(result)} accepted")


if __name__ == "__main__":
    asyncio.run(main())
