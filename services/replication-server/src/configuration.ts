/**
 * The command line of the process, checked once, at the start; an option that is missing there may stand in the
 * environment, as with all services. Secrets are files, never arguments.
 */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LmsError, toLmsError } from '@lms/errors';
import { ReplicationServerName, Sha256Hex } from '@lms/api';
import type { ProxySettings } from '@lms/proxy';
import { readProxyConfiguration } from './proxy-configuration.ts';

export interface Configuration {
  readonly dataFolder: string;
  /** Where TCP 1500 is served; port 0: any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** What agents connect to, where that is not what is listened on; port 0: the one that is listened on. */
  readonly advertise: { readonly host: string; readonly port: number } | null;
  /** Agents come through a router that says where each came from. */
  readonly proxyProtocol: 'required' | null;
  readonly managerUrl: string;
  /** Hex SHA-256 of the manager's CA. */
  readonly caSha256: string;
  /** Needed until the server has enrolled. */
  readonly bootstrapTokenFile: string | null;
  readonly name: string;
  /** To the manager, until the Replication Settings name another; null: directly. */
  readonly proxy: ProxySettings | null;
}

export const USAGE =
  '--data-dir DIR --listen HOST:PORT --manager URL --ca-sha256 HEX [--bootstrap-token-file FILE] [--name NAME] [--advertise HOST[:PORT]] [--proxy-protocol required] [--proxy URL [--proxy-user NAME --proxy-password-file FILE] [--no-proxy LIST] [--proxy-ca FILE]]';

const VARIABLES = {
  'data-dir': 'LMS_DATA_DIRECTORY',
  listen: 'LMS_BLOCK_STREAM_LISTEN',
  manager: 'LMS_MANAGER_URL',
  'ca-sha256': 'LMS_MANAGER_CA_SHA256',
  'bootstrap-token-file': 'LMS_BOOTSTRAP_TOKEN_FILE',
  name: 'LMS_REPLICATION_SERVER_NAME',
  advertise: 'LMS_BLOCK_STREAM_ADDRESS',
  'proxy-protocol': 'LMS_PROXY_PROTOCOL',
  proxy: 'LMS_PROXY_URL',
  'proxy-user': 'LMS_PROXY_USER',
  'proxy-password-file': 'LMS_PROXY_PASSWORD_FILE',
  'no-proxy': 'LMS_NO_PROXY',
  'proxy-ca': 'LMS_PROXY_CA_FILE',
} as const;
type Option = keyof typeof VARIABLES;

export function parseConfiguration(
  commandLine: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Configuration {
  const given = parseOptions(commandLine);
  // An empty variable is one that is not set.
  const optional = (option: Option): string | null => (given[option] ?? environment[VARIABLES[option]]) || null;
  const required = (option: Option): string => {
    const value = optional(option);
    if (value === null) throw wrong(`--${option}`, 'is missing');
    return value;
  };
  const caSha256 = Sha256Hex.safeParse(required('ca-sha256').replaceAll(':', '').toLowerCase());
  if (!caSha256.success) throw wrong('--ca-sha256', 'is not 64 hexadecimal digits');
  const name = ReplicationServerName.safeParse(optional('name') ?? defaultName());
  if (!name.success) throw wrong('--name', 'is not a DNS label in lower case');
  const advertise = optional('advertise');
  const proxyProtocol = optional('proxy-protocol');
  if (proxyProtocol !== null && proxyProtocol !== 'required') throw wrong('--proxy-protocol', "can only be 'required'");
  return {
    dataFolder: resolve(required('data-dir')),
    listen: parseAddress('listen', required('listen')),
    advertise: advertise === null ? null : parseAddress('advertise', advertise, 0),
    proxyProtocol,
    managerUrl: required('manager'),
    caSha256: caSha256.data,
    bootstrapTokenFile: optional('bootstrap-token-file'),
    name: name.data,
    proxy: readProxyConfiguration({
      url: optional('proxy'),
      username: optional('proxy-user'),
      passwordFile: optional('proxy-password-file'),
      noProxy: optional('no-proxy'),
      caFile: optional('proxy-ca'),
    }),
  };
}

function parseOptions(commandLine: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...commandLine],
      strict: true,
      options: {
        'data-dir': text,
        listen: text,
        manager: text,
        'ca-sha256': text,
        'bootstrap-token-file': text,
        name: text,
        advertise: text,
        'proxy-protocol': text,
        proxy: text,
        'proxy-user': text,
        'proxy-password-file': text,
        'no-proxy': text,
        'proxy-ca': text,
      },
    }).values;
  } catch (thrown) {
    throw wrong('The command line', `is not understood: ${toLmsError(thrown).message}`);
  }
}

/** `host:port`, with IPv6 as `[::1]:1500`; the port may be missing where there is a default, and with it the brackets. */
function parseAddress(option: Option, text: string, defaultPort?: number): { host: string; port: number } {
  if (defaultPort !== undefined && isIP(text) === 6) return { host: text, port: defaultPort };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined || port === undefined || port > 65_535)
    throw wrong(`--${option}`, `is not HOST:PORT: ${text}`);
  return { host, port };
}

function defaultName(): string {
  const label = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-');
  return label.slice(0, 63).replaceAll(/^-+|-+$/g, '') || 'replication-server';
}

function wrong(what: string, problem: string): LmsError {
  return new LmsError('INVALID_ARGUMENT', `${what} ${problem}`, { field: what, action: `Usage: ${USAGE}` });
}
