/** The script that installs an agent, and the one line that loads, checks and runs it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const INSTALL_SCRIPT = readFileSync(new URL('./install.sh', import.meta.url), 'utf8');
export const INSTALL_SCRIPT_SHA256 = createHash('sha256').update(INSTALL_SCRIPT).digest('hex');
export const INSTALL_SCRIPT_PATH = '/v1/agent/install.sh';

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
    `trap "rm -rf $d" EXIT`,
    `{ curl -fsSko $d/s "${url}" || wget -q --no-check-certificate -O $d/s "${url}"; }`,
    `echo "${INSTALL_SCRIPT_SHA256}  $d/s" | sha256sum -c >/dev/null`,
    'sh $d/s "$@"',
  ].join('; ');
  return `LMS_TOKEN='${secret}' sh -c '${script}' install --manager ${managerUrl} --ca-sha256 ${caSha256}`;
}
