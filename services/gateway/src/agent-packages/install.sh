#!/bin/sh
# Installs the agent of the Live Migration Service on a source machine, joins the machine to its manager, and starts the agent.
# Needs sh, tar, gzip, the coreutils with sed and grep, and curl or GNU wget; the agent brings its own Node.
#
#   LMS_TOKEN=TOKEN sh install.sh --manager URL --ca-sha256 HEX [options]        `lms token create` prints the whole line
#
#   --disk DEVICE       a whole disk to replicate; may be repeated. Without it: every disk that can be replicated
#   --name NAME         name of the machine; without it, the host's
#   --proxy URL         http://[USER:PASSWORD@]HOST:PORT for everything on 443; without it, $https_proxy
#   --proxy-ca FILE     CA of a proxy that re-signs TLS
#   --state-dir DIR     who the agent is; default /var/lib/lms-agent
#   --no-start          install and join only
#
# How it knows whom it talks to: the manager's CA must have the SHA-256 of --ca-sha256; what says which packages there are
# comes over TLS that is checked against that CA, --proxy-ca or the system's; and the package must have the SHA-256 named
# there, so that it does not matter which store or proxy it came through.
#
# Whatever fails before the machine has joined, nothing stays. Safe to run again.
set -eu
umask 022

PRODUCT=/opt/live-migration-service
COMMAND=/usr/local/bin/lms-agent
UNIT=/etc/systemd/system/lms-agent.service
PID_FILE=/run/lms-agent.pid
ATTEMPTS=5

say() { printf '%s\n' "$*"; }
fail() {
  printf 'error: %s → %s\n' "$1" "$2" >&2
  exit 1
}

# --- what was made so far, for a failure ---------------------------------------------------------------------------------
WORK=''
NEW_PACKAGE=''
OLD_PACKAGE=''
NEW_STATE=''
MADE_PRODUCT=''
JOINED=''

undo() {
  code=$?
  trap - EXIT
  if [ "$code" -ne 0 ] && [ -z "$JOINED" ]; then
    if [ -n "$NEW_PACKAGE" ]; then rm -rf "$NEW_PACKAGE"; fi
    if [ -n "$OLD_PACKAGE" ]; then mv "$OLD_PACKAGE" "$NEW_PACKAGE"; fi
    if [ -n "$NEW_STATE" ]; then rm -rf "$STATE"; fi
    echo 'Nothing was installed; what was there before is as it was.' >&2
  fi
  if [ -n "$WORK" ]; then rm -rf "$WORK"; fi
  if [ -n "$MADE_PRODUCT" ]; then rmdir "$PRODUCT" 2>/dev/null || true; fi
  exit "$code"
}

# --- this machine --------------------------------------------------------------------------------------------------------
check_machine() {
  [ "$(id -u)" = 0 ] || fail 'only root can read whole disks' 'become root (sudo -i), and type the line again'
  [ "$(uname -s)" = Linux ] || fail "this is $(uname -s)" 'the agent runs on Linux'
  case $(uname -m) in
    x86_64 | amd64) PLATFORM=linux-x64 LOADER=/lib64/ld-linux-x86-64.so.2 ;;
    aarch64 | arm64) PLATFORM=linux-arm64 LOADER=/lib/ld-linux-aarch64.so.1 ;;
    *) fail "there is no agent for processors of the kind $(uname -m)" 'x86_64 and aarch64 (64 bits) are supported' ;;
  esac
  if [ ! -e "$LOADER" ]; then
    if ls /lib/ld-musl-* >/dev/null 2>&1; then
      fail 'this system has the C library musl, and the agent needs glibc' 'replicate it from a system with glibc 2.28 or later'
    fi
    fail "there is no $LOADER: this is no 64-bit system with glibc" 'the agent needs glibc 2.28 or later'
  fi
  for program in tar gzip sha256sum base64 sed grep mktemp; do
    command -v "$program" >/dev/null 2>&1 || fail "$program is missing" "install it (packages tar, gzip, coreutils, sed, grep)"
  done
}

choose_loader() {
  if command -v curl >/dev/null 2>&1; then
    LOAD=curl
  elif command -v wget >/dev/null 2>&1; then
    LOAD=wget
    case $(wget --version 2>/dev/null || true) in
      *'GNU Wget'*) ;;
      *) fail 'this wget (of BusyBox, perhaps) cannot check certificates' 'install curl or GNU wget' ;;
    esac
    case $PROXY in
      https://*) fail 'wget cannot talk TLS to a proxy' 'install curl, or name an http:// proxy' ;;
    esac
  else
    fail 'neither curl nor wget is here' 'install one of them'
  fi
}

# --- loading -------------------------------------------------------------------------------------------------------------
# load URL FILE CHECK: CHECK is `unchecked`, `system`, or a file of CAs. What the program says goes to $WORK/words.
load() {
  case $LOAD:$3 in
    curl:unchecked) curl -fsSLk --connect-timeout 30 -o "$2" "$1" 2>"$WORK/words" ;;
    curl:system) curl -fsSL --connect-timeout 30 -o "$2" "$1" 2>"$WORK/words" ;;
    curl:*) curl -fsSL --connect-timeout 30 --cacert "$3" -o "$2" "$1" 2>"$WORK/words" ;;
    wget:unchecked) wget -nv -t 1 -T 60 --no-check-certificate -O "$2" "$1" 2>"$WORK/words" ;;
    wget:system) wget -nv -t 1 -T 60 -O "$2" "$1" 2>"$WORK/words" ;;
    wget:*) wget -nv -t 1 -T 60 --ca-certificate="$3" -O "$2" "$1" 2>"$WORK/words" ;;
  esac
}

is_about_certificates() {
  case $LOAD:$1 in
    curl:35 | curl:51 | curl:60 | curl:77 | wget:5) return 0 ;;
  esac
  return 1
}

# Without what must not be shown.
words() { sed 's#//[^/@ ]*@#//…@#g' "$WORK/words" | grep -v '^$' | tail -n 1; }

unreachable() {
  if [ -n "$PROXY" ]; then
    fail "$1 cannot be loaded by the proxy: $(words)" "see that the proxy is right, with USER:PASSWORD where it wants them, and that it lets CONNECT to the manager through"
  fi
  fail "$1 cannot be loaded: $(words)" 'see that this machine reaches the manager on that address; behind a proxy, add --proxy URL'
}

# The hash of a certificate is that of its DER, which is what stands in base64 between the two lines.
sha256_of_certificate() {
  sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' "$1" | grep -v -e '-----' | base64 -d 2>/dev/null | sha256sum | cut -d ' ' -f 1
}

load_ca() {
  load "$MANAGER/v1/ca.pem" "$WORK/ca.pem" unchecked || unreachable "$MANAGER/v1/ca.pem"
  actual=$(sha256_of_certificate "$WORK/ca.pem")
  [ "$actual" = "$CA_SHA256" ] && return
  fail "the CA at $MANAGER has the SHA-256 $actual, and not $CA_SHA256" \
    'either the line is of another manager, or something between here and there answers in its place: do not go on before you know'
}

load_list() {
  for check in "$WORK/ca.pem" ${PROXY_CA:+"$PROXY_CA"} system; do
    code=0
    load "$MANAGER/v1/agent/SHA256SUMS" "$WORK/list" "$check" || code=$?
    [ "$code" -eq 0 ] && return
    is_about_certificates "$code" || unreachable "$MANAGER/v1/agent/SHA256SUMS"
  done
  fail "neither the manager's CA nor one that this system trusts vouches for $MANAGER ($(words))" \
    'a proxy that re-signs TLS, perhaps: name its CA with --proxy-ca FILE. Or the clock is wrong'
}

choose_package() {
  line=$(grep -e "-$PLATFORM.tar.gz\$" "$WORK/list" | tail -n 1 || true)
  if [ -z "$line" ]; then
    there=$(sed 's/.*  //' "$WORK/list" | tr '\n' ' ')
    fail "the manager has no agent for $PLATFORM (it has: ${there:-none})" \
      "make it where the manager is: make agent-package AGENT_PLATFORM=$PLATFORM"
  fi
  SHA256=${line%% *}
  PACKAGE=${line##* }
  case $SHA256 in *[!0-9a-f]* | '') fail "the manager's list cannot be read: $line" 'report it' ;; esac
  case $PACKAGE in */* | .* | '') fail "the manager's list cannot be read: $line" 'report it' ;; esac
  VERSION=${PACKAGE#live-migration-agent-}
  VERSION=${VERSION%-"$PLATFORM".tar.gz}
  TARGET=$PRODUCT/agent-$VERSION
}

# What broke off goes on where it was: 45 megabytes are long on a slow line.
load_package() {
  url=$MANAGER/v1/agent/packages/$PACKAGE
  file=$WORK/$PACKAGE
  attempt=1
  while :; do
    code=0
    case $LOAD in
      curl) curl -fsSLk --connect-timeout 30 --speed-limit 1 --speed-time 60 -C - -o "$file" "$url" 2>"$WORK/words" || code=$? ;;
      wget) wget -nv -t 1 -T 60 --no-check-certificate -c -O "$file" "$url" 2>"$WORK/words" || code=$? ;;
    esac
    # It may have been whole already when it broke off; then there is nothing left to ask for, which is an error too.
    [ -s "$file" ] && [ "$(sha256sum "$file" | cut -d ' ' -f 1)" = "$SHA256" ] && return
    if [ "$code" -eq 0 ]; then
      fail "what came as $PACKAGE has the SHA-256 $(sha256sum "$file" | cut -d ' ' -f 1), and not $SHA256" \
        "the manager's store holds another file, or something on the way changed it: see to the store, then try again"
    fi
    [ "$attempt" -lt "$ATTEMPTS" ] || unreachable "$PACKAGE (tried $ATTEMPTS times)"
    attempt=$((attempt + 1))
    sleep 2
  done
}

# --- installing ----------------------------------------------------------------------------------------------------------
unpack() {
  mkdir "$WORK/tree"
  if ! gzip -dc "$WORK/$PACKAGE" | tar -xf - -C "$WORK/tree" 2>"$WORK/words" || [ ! -f "$WORK/tree/manifest.json" ]; then
    fail "the package cannot be unpacked: $(words)" "see that there are 200 megabytes free in $PRODUCT"
  fi
  rm "$WORK/$PACKAGE"
  if ! "$WORK/tree/bin/lms-agent" --version >/dev/null 2>"$WORK/words"; then
    fail "the agent does not run here: $(words)" \
      'it needs glibc 2.28 or later and libstdc++ (package libstdc++6 or libstdc++), and a folder /opt that is not mounted noexec'
  fi
  say "$SHA256" >"$WORK/tree/package.sha256"
}

install_package() {
  if [ -f "$TARGET/package.sha256" ] && [ "$(cat "$TARGET/package.sha256")" = "$SHA256" ]; then
    say "The agent $VERSION is installed already, in $TARGET."
    return
  fi
  say "Loading $PACKAGE …"
  load_package
  unpack
  CHANGED=yes
  if [ -e "$TARGET" ]; then
    mv "$TARGET" "$WORK/before"
    OLD_PACKAGE=$WORK/before
  fi
  NEW_PACKAGE=$TARGET
  mv "$WORK/tree" "$TARGET"
}

is_joined() { [ -f "$STATE/identity.json" ]; }

check_same_manager() {
  grep -q -e "\"caSha256\": \"$CA_SHA256\"" "$STATE/identity.json" && return
  fail "this machine belongs to another manager already ($(sed -n 's/.*"managerUrl": "\(.*\)".*/\1/p' "$STATE/identity.json"))" \
    "end that first: lms-agent uninstall --state-dir $STATE. Or give this agent a folder of its own with --state-dir"
}

# %41 → A
decode() {
  rest=$1
  while :; do
    case $rest in
      *%[0-9A-Fa-f][0-9A-Fa-f]*) ;;
      *) break ;;
    esac
    before=${rest%%\%[0-9A-Fa-f][0-9A-Fa-f]*}
    rest=${rest#"$before"%}
    code=${rest%"${rest#??}"}
    rest=${rest#??}
    printf '%s' "$before"
    # shellcheck disable=SC2059
    printf "\\$(printf %03o "0x$code")"
  done
  printf '%s' "$rest"
}

join() {
  if [ -z "$DISKS" ]; then
    DISKS=$("$TARGET/bin/lms-agent" -o name disks) || fail 'the disks cannot be listed' 'name them with --disk'
    [ -n "$DISKS" ] || fail 'no disk was found that can be replicated' "\`$TARGET/bin/lms-agent disks\` says why; name one with --disk"
    say "Disks: $(printf '%s' "$DISKS" | tr '\n' ' ')(all that can be replicated; --disk chooses others)"
  fi
  [ -e "$STATE" ] || NEW_STATE=yes
  set -- enrol --manager "$MANAGER" --ca-sha256 "$CA_SHA256" --token-stdin --state-dir "$STATE"
  for disk in $DISKS; do set -- "$@" --disk "$disk"; done
  [ -z "$NAME" ] || set -- "$@" --name "$NAME"
  # Without a CA of its own the agent takes the proxy from the environment, as curl does.
  if [ -n "$PROXY_CA" ]; then
    set -- "$@" --proxy-ca "$PROXY_CA"
    case $PROXY in
      *@*)
        scheme=${PROXY%%://*}
        rest=${PROXY#*://}
        user=${rest%@*}
        (umask 077 && decode "${user#*:}" >"$WORK/password")
        set -- "$@" --proxy "$scheme://${rest##*@}" --proxy-user "$(decode "${user%%:*}")" --proxy-password-file "$WORK/password"
        ;;
      *) set -- "$@" --proxy "$PROXY" ;;
    esac
    if [ -n "${no_proxy:-${NO_PROXY:-}}" ]; then set -- "$@" --no-proxy "${no_proxy:-$NO_PROXY}"; fi
  fi
  printf '%s' "$TOKEN" | "$TARGET/bin/lms-agent" "$@" >"$WORK/enrolled" 2>"$WORK/words" || {
    # Node's word about a folder that this machine need not have.
    grep -v 'to load OpenSSL certificates' "$WORK/words" | sed 's/^error: //' >&2
    fail 'the machine could not join' 'see the line above; a used or expired token is replaced by lms token create'
  }
}

# --- starting ------------------------------------------------------------------------------------------------------------
has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; }

record() {
  {
    say "state=$STATE"
    say "command=$COMMAND"
    say "unit=$UNIT"
    say "pid-file=$PID_FILE"
  } >"$PRODUCT/installation"
}

link_command() {
  ln -sfn "agent-$VERSION" "$PRODUCT/current"
  if [ -e "$COMMAND" ] && [ "$(readlink "$COMMAND" || true)" != "$PRODUCT/current/bin/lms-agent" ]; then
    say "$COMMAND is of somebody else and stays; the agent's command is $PRODUCT/current/bin/lms-agent."
    return
  fi
  mkdir -p "${COMMAND%/*}"
  ln -sfn "$PRODUCT/current/bin/lms-agent" "$COMMAND"
}

start() {
  if has_systemd; then
    sed "s#@STATE@#$STATE#g; s#@PRODUCT@#$PRODUCT#g" "$TARGET/services/agent/service/lms-agent.service" >"$UNIT"
    systemctl daemon-reload
    systemctl enable --quiet lms-agent.service
    # Also an agent that runs: it goes on from what the kernel recorded meanwhile.
    systemctl restart lms-agent.service || fail 'the agent is installed and joined, and does not start' 'see journalctl --unit lms-agent'
    STARTED='by systemd (lms-agent.service), also after a reboot.' LOG='the journal (journalctl --unit lms-agent)'
    return
  fi
  LOG=$STATE.log
  if [ -f "$PID_FILE" ] && kill -0 "$(cat "$PID_FILE")" 2>/dev/null; then
    if [ -z "$CHANGED" ]; then
      STARTED='already, and goes on.'
      return
    fi
    kill "$(cat "$PID_FILE")"
    while kill -0 "$(cat "$PID_FILE" 2>/dev/null || echo x)" 2>/dev/null; do sleep 1; done
  fi
  # The password of a proxy is in the state folder by now, and in no environment that stays.
  (
    unset https_proxy http_proxy HTTPS_PROXY HTTP_PROXY
    setsid sh "$TARGET/services/agent/service/supervise" "$PRODUCT/current/bin/lms-agent" "$STATE" "$PID_FILE" \
      </dev/null >/dev/null 2>&1 &
  )
  STARTED="in the background (process in $PID_FILE).
There is no systemd here, so after a reboot start it yourself:
  setsid sh $PRODUCT/current/services/agent/service/supervise $PRODUCT/current/bin/lms-agent $STATE $PID_FILE </dev/null >/dev/null 2>&1 &"
}

# Until the manager has heard of it, or a minute is over.
wait_for_contact() {
  attempt=0
  while [ "$attempt" -lt 40 ]; do
    if "$TARGET/bin/lms-agent" -o json status --state-dir "$STATE" 2>/dev/null | tr -d ' \n' | grep -q '"lastContactAt":"'; then
      return 0
    fi
    attempt=$((attempt + 1))
    sleep 1
  done
  fail 'the agent runs, and has not reached the manager within a minute' \
    "it goes on trying; see $COMMAND status --state-dir $STATE, and $COMMAND check 443"
}

remove_older() {
  for other in "$PRODUCT"/agent-*; do
    [ "$other" = "$TARGET" ] || rm -rf "$other"
  done
}

usage() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}

main() {
  MANAGER='' CA_SHA256='' DISKS='' NAME='' PROXY='' PROXY_CA='' STATE=/var/lib/lms-agent START=yes CHANGED='' STARTED=''
  LOG=''
  TOKEN=${LMS_TOKEN:-}
  unset LMS_TOKEN
  while [ $# -gt 0 ]; do
    case $1 in
      --no-start) START='' && shift && continue ;;
      --manager | --ca-sha256 | --disk | --name | --proxy | --proxy-ca | --state-dir) ;;
      *) usage "there is no option $1" ;;
    esac
    [ $# -ge 2 ] || usage "$1 needs a value"
    case $1 in
      --manager) MANAGER=${2%/} ;;
      --ca-sha256) CA_SHA256=$2 ;;
      --disk) DISKS="$DISKS $2" ;;
      --name) NAME=$2 ;;
      --proxy) PROXY=$2 ;;
      --proxy-ca) PROXY_CA=$2 ;;
      --state-dir) STATE=$2 ;;
    esac
    shift 2
  done
  case ,$MANAGER,$CA_SHA256, in *,,*) usage '--manager URL and --ca-sha256 HEX are needed' ;; esac
  case $STATE in /*) ;; *) usage '--state-dir needs an absolute path' ;; esac
  [ -z "$PROXY_CA" ] || [ -r "$PROXY_CA" ] || usage "--proxy-ca: $PROXY_CA cannot be read"
  if [ -n "$PROXY" ]; then
    case $PROXY in *://*) ;; *) PROXY=http://$PROXY ;; esac
    # In the environment, where only root sees a password; curl and wget both look there.
    export https_proxy="$PROXY" http_proxy="$PROXY"
  else
    PROXY=${https_proxy:-${HTTPS_PROXY:-}}
    [ -z "$PROXY" ] || export https_proxy="$PROXY"
  fi
  [ -z "$PROXY_CA" ] || [ -n "$PROXY" ] || usage '--proxy-ca is given without a proxy'

  check_machine
  choose_loader
  if [ ! -d "$PRODUCT" ]; then
    mkdir -p "$PRODUCT"
    MADE_PRODUCT=yes
  fi
  trap undo EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  WORK=$(mktemp -d "$PRODUCT/.install-XXXXXX")
  load_ca
  is_joined && check_same_manager
  is_joined || [ -n "$TOKEN" ] || fail 'there is no join token' 'put LMS_TOKEN=TOKEN before the line; lms token create makes one'
  load_list
  choose_package
  install_package
  if is_joined; then
    say "This machine has joined already; its token was not used."
  else
    join
    sed '/^$/d; /^Start replication/d' "$WORK/enrolled"
  fi
  JOINED=yes
  OLD_PACKAGE=''
  record
  link_command
  if [ -n "$START" ]; then
    start
    wait_for_contact
    say "Installed in $TARGET; state in $STATE; log in $LOG."
    say "The agent runs $STARTED"
  else
    say "Installed in $TARGET; state in $STATE. Start it with: lms-agent run --state-dir $STATE"
  fi
  remove_older
  say "To look: lms-agent status --state-dir $STATE. To remove everything again: lms-agent uninstall --state-dir $STATE"
}

main "$@"
