/** The script that installs an agent, and the one line that loads, checks and runs it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const INSTALL_SCRIPT = readFileSync(new URL('./install.sh', import.meta.url), 'utf8');
export const INSTALL_SCRIPT_SHA256 = createHash('sha256').update(INSTALL_SCRIPT).digest('hex');
export const INSTALL_SCRIPT_PATH = '/v1/agent/install.sh';

// Without quotes and dollar signs: they stand in a shell's quotes of both kinds.
const NOT_LOADED =
  'the install script cannot be loaded → curl or GNU wget (not the one of BusyBox) must be here and reach the manager; ' +
  'behind a proxy, begin the line with https_proxy=http://HOST:PORT';
const NOT_THE_SAME =
  'the install script is not the one that this line names → make a new line with lms token create; if that one is refused ' +
  'too, something between here and the manager changes what it says';

/**
 * To be typed by root on the source machine; options of the script can be added at its end.
 *
 * Nothing that the machine knows vouches for the manager's certificate yet, so the script is loaded unchecked, and only run
 * when it has the SHA-256 that this line names. The token is in the environment, which only root can read, and in no
 * process's arguments.
 */
export function installCommand(managerUrl: string, caSha256: string, secret: string): string {
  const url = `${managerUrl}${INSTALL_SCRIPT_PATH}`;
  const script = [
    'set -eu',
    'd=$(mktemp -d)',
    'trap "rm -rf $d" EXIT',
    'fail() { echo "error: $1" >&2; exit 1; }',
    `if command -v curl >/dev/null; then curl -fsSko $d/s "${url}"; else wget -q --no-check-certificate -O $d/s "${url}"; fi ` +
      `|| fail "${NOT_LOADED}"`,
    `echo "${INSTALL_SCRIPT_SHA256}  $d/s" | sha256sum -c >/dev/null 2>&1 || fail "${NOT_THE_SAME}"`,
    'sh $d/s "$@"',
  ].join('; ');
  return `LMS_TOKEN='${secret}' sh -c '${script}' install --manager ${managerUrl} --ca-sha256 ${caSha256}`;
}
