"""From a video, step by step: faces are identified, a line is spoken, a job is made."""

import asyncio

from lipsync_async import LipSyncClient, NoFaceError


async def main() -> None:
    async with LipSyncClient() as client:
        try:
            session = await client.identify_faces(
                video_url="https://films.example.com/scene-1.mp4"
            )
        except NoFaceError as error:
            print(error)
            return
        for face in session.faces:
            print(face)
        speech = await client.synthesize_speech(
            "And that is why we are here today.", "girlfriend_1_speech02"
        )
        job = (
            session.builder("longest").speech(speech).external_task_id("ep4-1").build()
        )
        accepted = await client.submit(job)
        print(accepted.external_task_id, accepted.name)


if __name__ == "__main__":
    asyncio.run(main())
