#!/usr/bin/env bash
# A PulseAudio server without hardware: sinks that swallow sound at the pace of a clock.
#
#   benchmarks/sound_server.sh start FOLDER [RATE]    starts it (default 48000 Hz); FOLDER holds its socket, log and settings
#   benchmarks/sound_server.sh stop FOLDER
#   . FOLDER/environment                         then pactl, parec, pacat and PortAudio talk to it
#
# PortAudio's names (left) and the server's (right):
#   fake microphone   microphone.monitor   hears what is played into the sink `microphone`
#   fake speakers     speakers             what they got is read from `speakers.monitor`
#   bench microphone  bench_microphone     hears what is played into the sink `bench_player`
#   bench speakers    bench_speakers
# The bench is one stereo sink `bench`: left is what the microphone hears, right what the speakers play. One recording of
# `bench.monitor` holds both on one clock, so the shift between its channels is the latency of the program in between.
set -euo pipefail

usage() { sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
action=$1 folder=$2 rate=${3:-48000}
[ "${folder#/}" != "$folder" ] || folder=$PWD/$folder

stop_server() {
  [ -e "$folder/pid" ] || return 0
  pid=$(cat "$folder/pid")
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 30); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$folder/pid"
}

case $action in
  start) ;;
  stop) stop_server; exit 0 ;;
  *) usage ;;
esac

stop_server
mkdir -p "$folder"
chmod 700 "$folder"

# PortAudio lists `pulse` and `default` only; PCMs with a name of their own make each end a device.
# Written once: PortAudio aborts the process (an assertion) when it starts while half a file is there.
[ -e "$folder/alsa.conf" ] || cat >"$folder/alsa.conf" <<'CONF'
</usr/share/alsa/alsa.conf>
pcm."fake microphone"  { type pulse device "microphone.monitor" hint { show on description "What is played into the sink microphone" } }
pcm."fake speakers"    { type pulse device "speakers"           hint { show on description "The sink speakers" } }
pcm."bench microphone" { type pulse device "bench_microphone"   hint { show on description "Left channel of the bench" } }
pcm."bench speakers"   { type pulse device "bench_speakers"     hint { show on description "Right channel of the bench" } }
CONF
cat >"$folder/environment" <<CONF
export XDG_RUNTIME_DIR='$folder'
export PULSE_SERVER='unix:$folder/socket'
export ALSA_CONFIG_PATH='$folder/alsa.conf'
CONF
. "$folder/environment"

# norewinds: without it a null sink renders two seconds ahead, and a new stream stalls that long.
# float32le and the same rate everywhere: what is recorded is what was played, to the bit.
# The defaults are chosen before anybody can connect: when they change, the server moves streams that are there.
null="rate=$rate format=float32le norewinds=1"
one=channels=1\ channel_map=mono
cat >"$folder/server.pa" <<CONF
load-module module-native-protocol-unix auth-anonymous=1 socket=$folder/socket
load-module module-null-sink sink_name=microphone channels=1 $null
load-module module-null-sink sink_name=speakers channels=1 $null
load-module module-null-sink sink_name=bench channels=2 $null
load-module module-remap-sink sink_name=bench_player master=bench $one master_channel_map=front-left remix=no
load-module module-remap-sink sink_name=bench_speakers master=bench $one master_channel_map=front-right remix=no
load-module module-remap-source source_name=bench_microphone master=bench.monitor $one master_channel_map=front-left remix=no
set-default-sink speakers
set-default-source microphone.monitor
CONF
PULSE_RUNTIME_PATH=$folder/runtime PULSE_STATE_PATH=$folder/state PULSE_CONFIG_PATH=$folder/config \
setsid pulseaudio -n --daemonize=no --use-pid-file=no --exit-idle-time=-1 --disable-shm=yes \
  --realtime=yes --high-priority=yes --log-level=notice --log-target="newfile:$folder/log" --file="$folder/server.pa" \
  >"$folder/output" 2>&1 </dev/null &
echo $! >"$folder/pid"

for _ in $(seq 100); do
  pactl list short sources 2>/dev/null | grep -q bench_microphone && break
  sleep 0.1
done
if ! pactl list short sources | grep -q bench_microphone; then
  echo "PulseAudio did not start; its log:" >&2
  cat "$folder/log"* "$folder/output" >&2 || true
  stop_server
  exit 1
fi
# Its sinks have real-time threads; the one that talks to programs has not, and on a busy machine it starves them.
chrt --fifo --pid 6 "$(cat "$folder/pid")" 2>/dev/null || true
