/** What a proxy's answer to CONNECT means. Nothing of it is believed further than it is needed, and only printable text is shown. */
import { ProxyError } from './failure.ts';

export interface ConnectAnswer {
  readonly status: number;
  readonly statusText: string;
  /** Name and value by turns, as they came. */
  readonly rawHeaders: readonly string[];
}

export interface ConnectRequest {
  readonly proxyUrl: string;
  /** `host:port` of what was asked for. */
  readonly target: string;
  /** null: none was named to the proxy. */
  readonly username: string | null;
}

const MAXIMUM_SCHEMES = 10;
const MAXIMUM_SHOWN_CHARACTERS = 120;
/** Of a web server, or of a proxy that does not know CONNECT. */
const NOT_A_PROXY: ReadonlySet<number> = new Set([400, 404, 405, 426, 501, 505]);
const NOT_REACHED: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** null: the way is open. */
export function failureOfAnswer(answer: ConnectAnswer, request: ConnectRequest): ProxyError | null {
  const { status } = answer;
  const { proxyUrl, target } = request;
  if (status >= 200 && status < 300) return null;
  // tinyproxy says 401 to a wrong password.
  const refusesUser = status === 407 || (status === 401 && request.username !== null);
  if (refusesUser) return failureOfAuthentication(answer, request);
  const said = saying(answer);
  if (status === 403) {
    return new ProxyError(
      'PROXY_FORBIDDEN',
      `the proxy ${proxyUrl} does not allow connections to ${target} (${said})`,
      {
        action: `Have ${target} allowed at the proxy, for CONNECT; many allow only port 443.`,
      },
    );
  }
  if (NOT_REACHED.has(status)) {
    return new ProxyError('PROXY_TARGET_UNREACHABLE', `the proxy ${proxyUrl} cannot reach ${target} (${said})`, {
      action: `Check the name and port, and that ${target} is reachable and its name known where the proxy is.`,
    });
  }
  const what = NOT_A_PROXY.has(status) ? 'answers like a web server, not like a proxy' : 'does not open a connection';
  return new ProxyError('PROXY_NOT_A_PROXY', `${proxyUrl} ${what} to ${target} (${said})`, {
    action: 'Check address and port of the proxy, and that it supports CONNECT.',
  });
}

function failureOfAuthentication(answer: ConnectAnswer, { proxyUrl, username }: ConnectRequest): ProxyError {
  const schemes = offeredSchemes(headerValues(answer.rawHeaders, 'proxy-authenticate'));
  const offersBasic = schemes.some((scheme) => scheme.toLowerCase() === 'basic');
  if (schemes.length > 0 && !offersBasic) {
    const offers = schemes.join(', ');
    return new ProxyError(
      'PROXY_SCHEME_UNSUPPORTED',
      `the proxy ${proxyUrl} accepts users only by ${offers}; only Basic is supported`,
      {
        action: 'Have Basic allowed for this machine at the proxy, or let it pass without a user.',
      },
    );
  }
  if (username === null) {
    return new ProxyError('PROXY_AUTHENTICATION_REQUIRED', `the proxy ${proxyUrl} asks for a user and a password`, {
      action: 'Name its user and password (--proxy-user NAME with --proxy-password-file FILE).',
    });
  }
  const who = `the user ${JSON.stringify(username)} and its password`;
  return new ProxyError('PROXY_AUTHENTICATION_REQUIRED', `the proxy ${proxyUrl} does not accept ${who}`, {
    action: 'Check both; the file with the password has it alone, in one line.',
  });
}

function headerValues(rawHeaders: readonly string[], name: string): readonly string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}

/** Of `Basic realm="a", Digest realm="b", nonce="c"` the words that stand before a space or alone: Basic, Digest. */
export function offeredSchemes(challenges: readonly string[]): readonly string[] {
  const found = challenges
    .flatMap((challenge) => challenge.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').split(','))
    .map((part) => /^\s*([A-Za-z][A-Za-z0-9._-]{0,30})(?:\s+|$)/.exec(part)?.[1])
    .filter((scheme) => scheme !== undefined);
  const seen = new Map(found.map((scheme) => [scheme.toLowerCase(), scheme]));
  return [...seen.values()].slice(0, MAXIMUM_SCHEMES);
}

/** `503 Service Unavailable; ERR_DNS_FAIL 0`: the second is squid's own word for it. */
function saying({ status, statusText, rawHeaders }: ConnectAnswer): string {
  const squid = headerValues(rawHeaders, 'x-squid-error')[0];
  const text = `${status} ${statusText}${squid === undefined ? '' : `; ${squid}`}`;
  return text
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .trim()
    .slice(0, MAXIMUM_SHOWN_CHARACTERS);
}
