/** The proxy that the installation names. Its password and CA are files; an empty list of exceptions is none. */
import { LmsError } from '@lms/errors';
import { parseNoProxy, parseProxyUrl, ProxySettings } from '@lms/proxy';
import { readConfiguredFile } from '@lms/service';

const PROXY_USAGE =
  'Usage: --proxy URL [--proxy-user NAME --proxy-password-file FILE] [--no-proxy LIST] [--proxy-ca FILE]';

export interface ProxyOptions {
  readonly url: string | null;
  readonly username: string | null;
  readonly passwordFile: string | null;
  readonly noProxy: string | null;
  readonly caFile: string | null;
}

/** null: the manager is reached directly. INVALID_ARGUMENT names the option that is wrong. */
export function readProxyConfiguration(options: ProxyOptions): ProxySettings | null {
  const { url, username, passwordFile, noProxy, caFile } = options;
  if (url === null) {
    const [alone] = Object.entries({ 'proxy-user': username, 'proxy-password-file': passwordFile, 'proxy-ca': caFile })
      .filter(([, value]) => value !== null)
      .map(([name]) => name);
    if (alone !== undefined) throw wrong(`--${alone}`, 'is given without --proxy');
    return null;
  }
  if ((username === null) !== (passwordFile === null)) {
    throw wrong(
      username === null ? '--proxy-user' : '--proxy-password-file',
      'is missing: a user needs a password, and a password a user',
    );
  }
  const password =
    passwordFile === null ? null : readConfiguredFile('--proxy-password-file', passwordFile).replace(/\r?\n$/, '');
  const parsed = ProxySettings.safeParse({
    url: parseProxyUrl(url),
    username,
    password,
    noProxy: parseNoProxy(noProxy ?? ''),
    caPem: caFile === null ? null : readConfiguredFile('--proxy-ca', caFile),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw wrong('--proxy', `cannot be used: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
}

function wrong(option: string, problem: string): LmsError {
  return new LmsError('INVALID_ARGUMENT', `${option} ${problem}`, { field: option, action: PROXY_USAGE });
}
