#!/usr/bin/env bash
# Takes the noise out of the sound of anything that ffmpeg reads, and leaves the picture as it is.
#
#     bash ffmpeg_pipe.sh talk.mp4 clean.mp4
set -euo pipefail
input=${1:?usage: ffmpeg_pipe.sh INPUT OUTPUT} output=${2:?usage: ffmpeg_pipe.sh INPUT OUTPUT}

# A pipe knows no time: where the sound begins after the picture, or pauses, silence keeps its place.
ffmpeg -v error -nostdin -i "$input" -vn -af aresample=async=1:first_pts=0 -f s16le -ar 48000 -ac 2 - |
  rtdenoise --quiet --input - --raw-rate 48000 --raw-channels 2 --output - |
  ffmpeg -v error -nostdin -n -f s16le -ar 48000 -ac 2 -i - -i "$input" -map 0:a -map '1:v?' -c:v copy "$output"
