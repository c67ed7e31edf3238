import { shellWord } from './shell-words.ts';

/** One thing to do when the deployed system starts for the first time. */
export interface FirstStartStep {
  /** For the log; without secrets. */
  name: string;
  /** Words of the command; never a secret. */
  command: readonly string[];
  /** Given on standard input, from a file only root may read, wiped once the step is done. */
  secret?: string;
  /** Tries until it succeeds; default 1. */
  attemptsMax?: number;
}

const FOLDER = '/var/lib/totaldeploy/first-start';
const UNIT_FOLDER = '/etc/systemd/system';
const UNIT_NAME = 'totaldeploy-firststart.service';

/** Where everything for the first start is; only the log stays. */
export const FIRST_START = {
  folder: FOLDER,
  script: `${FOLDER}/run`,
  log: '/var/log/totaldeploy-firststart.log',
  unit: `${UNIT_FOLDER}/${UNIT_NAME}`,
  unitLink: `${UNIT_FOLDER}/multi-user.target.wants/${UNIT_NAME}`,
  /** Of systems without systemd. */
  rcLocals: ['/etc/rc.d/rc.local', '/etc/rc.local', '/etc/init.d/after.local'],
} as const;

const ATTEMPT_PAUSE_SECONDS = 20;

/** The file that is the standard input of a step. */
export function secretPath(index: number): string {
  return `${FOLDER}/secret-${index + 1}`;
}

/**
 * A POSIX shell script that does each step at most once, however often the computer restarts meanwhile, logs the
 * exit codes, and removes itself with every secret.
 */
export function firstStartScript(steps: readonly FirstStartStep[]): string {
  const { folder, log, unit, unitLink, rcLocals } = FIRST_START;
  return `#!/bin/sh
# Written by TotalDeploy; runs once and removes itself.
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
folder=${folder}

say() { echo "$(date '+%Y-%m-%d %H:%M:%S') $*"; }

wipe() {
  for file; do
    [ -f "$file" ] || continue
    shred -u "$file" 2>/dev/null || { : >"$file"; rm -f "$file"; }
  done
}

# step NUMBER NAME ATTEMPTS INPUT COMMAND...
step() {
  number=$1 name=$2 attempts=$3 input=$4
  shift 4
  reached=$(cat "$folder/reached" 2>/dev/null)
  if [ "$number" -gt "\${reached:-0}" ]; then
    # A program that restarts the computer is not run again; what may be tried again is.
    [ "$attempts" -gt 1 ] || echo "$number" >"$folder/reached"
    try=1
    while :; do
      (umask 022; cd "$(dirname "$1")" && exec "$@") <"$input"
      code=$?
      say "$name: ended with $code"
      [ "$code" != 0 ] && [ "$try" -lt "$attempts" ] || break
      try=$((try + 1))
      sleep $((${ATTEMPT_PAUSE_SECONDS} * try))
    done
    echo "$number" >"$folder/reached"
  fi
  [ "$input" = /dev/null ] || wipe "$input"
}

main() {
  say "first start begins"
${steps.map(stepLine).join('\n')}
  wipe "$folder"/secret-*
  say "first start is done"
  rm -rf "$folder"
  rmdir /var/lib/totaldeploy 2>/dev/null
  if [ -f ${unit} ]; then
    rm -f ${unit} ${unitLink}
    systemctl --no-block daemon-reload
  fi
  for file in ${rcLocals.join(' ')}; do
    [ ! -f "$file" ] || [ -h "$file" ] || sed -i '/totaldeploy\\/first-start/d' "$file"
  done
}

# Read whole before it runs, for it removes itself.
main >>${log} 2>&1
exit
`;
}

function stepLine({ name, command, secret, attemptsMax = 1 }: FirstStartStep, index: number): string {
  const input = secret === undefined ? '/dev/null' : secretPath(index);
  const words = [String(index + 1), name, String(attemptsMax), input, ...command];
  return `  step ${words.map(shellWord).join(' ')}`;
}
