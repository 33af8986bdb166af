/** How a proxy is named on the command line: by --proxy and what belongs to it, and again by --block-stream-proxy for 1500. */
import { readFile } from 'node:fs/promises';
import { CommandError, readSecretFile, readSecretStream, withExit } from '@lms/command-line';
import { ProxySettings, parseNoProxy, parseProxyUrl } from '@lms/proxy';
import { Option } from 'commander';
import type { Command } from 'commander';

export interface ProxyOptions {
  readonly proxy?: string;
  readonly direct?: boolean;
  readonly proxyUser?: string;
  readonly proxyPasswordFile?: string;
  readonly proxyPasswordStdin?: boolean;
  readonly noProxy?: string;
  readonly proxyCa?: string;
}

export interface BlockStreamProxyOptions {
  readonly blockStreamProxy?: string;
  readonly blockStreamDirect?: boolean;
  readonly blockStreamProxyUser?: string;
  readonly blockStreamProxyPasswordFile?: string;
  readonly blockStreamNoProxy?: string;
  readonly blockStreamProxyCa?: string;
}

/** commander takes what begins with --no- for the opposite of another option, which this is not. */
function plainOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  option.negate = false;
  return option;
}

const EXCEPTIONS = 'what is reached without it: names, addresses, networks, with commas between';

export function addProxyOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--proxy <url>',
        'the manager is reached by this proxy: http://HOST:PORT or https://HOST:PORT',
      ).conflicts('direct'),
    )
    .addOption(new Option('--direct', 'the manager is reached without a proxy, whatever the environment says'))
    .addOption(new Option('--proxy-user <name>', 'user at the proxy (Basic)'))
    .addOption(
      new Option('--proxy-password-file <file>', 'file that holds its password').conflicts('proxyPasswordStdin'),
    )
    .addOption(new Option('--proxy-password-stdin', 'read its password from stdin'))
    .addOption(plainOption('--no-proxy <list>', EXCEPTIONS))
    .addOption(new Option('--proxy-ca <file>', 'CA of an https:// proxy, or of one that looks into TLS (PEM)'));
}

export function addBlockStreamProxyOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--block-stream-proxy <url>', 'the replication server (TCP 1500) is reached by this proxy').conflicts(
        'blockStreamDirect',
      ),
    )
    .addOption(new Option('--block-stream-direct', 'the replication server is reached without a proxy: the default'))
    .addOption(new Option('--block-stream-proxy-user <name>', 'user at that proxy (Basic)'))
    .addOption(new Option('--block-stream-proxy-password-file <file>', 'file that holds its password'))
    .addOption(new Option('--block-stream-no-proxy <list>', EXCEPTIONS))
    .addOption(new Option('--block-stream-proxy-ca <file>', 'CA of that proxy, when it is an https:// one (PEM)'));
}

/** undefined: nothing was said. */
export async function readManagerProxy(options: ProxyOptions): Promise<ProxySettings | null | undefined> {
  const { proxy, direct, proxyUser, proxyPasswordFile, proxyPasswordStdin, noProxy, proxyCa } = options;
  const readPassword = proxyPasswordStdin === true ? passwordOfStdin : passwordOf(proxyPasswordFile);
  return readProxy('--', { proxy, direct, proxyUser, readPassword, noProxy, proxyCa });
}

export async function readBlockStreamProxy(
  options: BlockStreamProxyOptions,
): Promise<ProxySettings | null | undefined> {
  return readProxy('--block-stream-', {
    proxy: options.blockStreamProxy,
    direct: options.blockStreamDirect,
    proxyUser: options.blockStreamProxyUser,
    readPassword: passwordOf(options.blockStreamProxyPasswordFile),
    noProxy: options.blockStreamNoProxy,
    proxyCa: options.blockStreamProxyCa,
  });
}

type ReadPassword = () => Promise<string>;

const passwordOfStdin: ReadPassword = () => readSecretStream(process.stdin, 'password of the proxy', 'password');

function passwordOf(file: string | undefined): ReadPassword | null {
  return file === undefined ? null : () => readSecretFile(file, 'password of the proxy', 'password');
}

interface Given {
  readonly proxy: string | undefined;
  readonly direct: boolean | undefined;
  readonly proxyUser: string | undefined;
  readonly readPassword: ReadPassword | null;
  readonly noProxy: string | undefined;
  readonly proxyCa: string | undefined;
}

async function readProxy(prefix: string, given: Given): Promise<ProxySettings | null | undefined> {
  const { proxy, direct, proxyUser, readPassword, noProxy, proxyCa } = given;
  if (proxy === undefined) {
    const beside = Object.entries({ 'proxy-user': proxyUser, 'no-proxy': noProxy, 'proxy-ca': proxyCa });
    const [alone] = beside.filter(([, value]) => value !== undefined).map(([name]) => name);
    const what = alone ?? (readPassword === null ? null : 'proxy-password-…');
    if (what !== null) throw usage(`${prefix}${what} is given without ${prefix}proxy`);
    return direct === true ? null : undefined;
  }
  if ((proxyUser === undefined) !== (readPassword === null)) {
    throw usage(`${prefix}proxy-user needs a password, and a password a user`);
  }
  const settings = ProxySettings.safeParse({
    // Checked here and not while the line is parsed: commander would repeat what was typed, and a password may be in it.
    url: parseProxyUrl(proxy),
    username: proxyUser ?? null,
    password: (await readPassword?.()) ?? null,
    noProxy: parseNoProxy(noProxy ?? ''),
    caPem: proxyCa === undefined ? null : await readCa(proxyCa),
  });
  if (settings.success) return settings.data;
  const [issue] = settings.error.issues;
  throw usage(`${prefix}proxy cannot be used: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
}

async function readCa(path: string): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (thrown) {
    throw withExit('failed', thrown, `cannot read the CA of the proxy from ${path}`);
  }
  if (/-----BEGIN CERTIFICATE-----/.test(pem)) return pem;
  throw new CommandError('failed', 'INVALID_ARGUMENT', `${path} holds no certificate: PEM is needed`);
}

function usage(message: string): CommandError {
  return new CommandError('usage', 'INVALID_ARGUMENT', message);
}
