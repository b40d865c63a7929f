"""The sound of a video, put back as it was: OpenCV reads and writes pictures only."""

import shutil
import subprocess

LIMIT = 600  # s


def add_sound(target, original):
    """Copy the sound of a video, unchanged, into the one that was drawn from it.

    Args:
        target: Path of the drawn MP4; replaced where there is sound.
        original: Path of the video.

    Returns:
        str: what became of the sound, for the user.
    """
    program = ffmpeg()
    if program is None:
        return "without its sound: neither ffmpeg nor imageio-ffmpeg (pip install imageio-ffmpeg) is there"
    if not _has_sound(program, original):
        return "it has no sound"
    target, original = target.resolve(), original.resolve()  # so that no name looks like an option or a protocol
    made = target.with_name(f".part-sound-{target.name}")
    streams = ["-map", "0:v:0", "-map", "1:a", "-c", "copy"]
    done = _run([program, "-y", "-i", str(target), "-i", str(original), *streams, str(made)])
    if done.returncode:
        made.unlink(missing_ok=True)
        return "without its sound: an MP4 cannot hold it as it is"
    made.replace(target)
    return "with its sound as it was"


def ffmpeg():
    """Path of the program ffmpeg, the system's or imageio-ffmpeg's; None where there is none."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # the second: the package without its program
        return None


def _has_sound(program, path):
    told = _run([program, "-i", str(path.resolve())]).stderr  # without an output it only tells what is inside
    return b"Audio:" in told


def _run(command):
    return subprocess.run(
        [command[0], "-hide_banner", "-nostdin", *command[1:]], capture_output=True, timeout=LIMIT, check=False
    )
