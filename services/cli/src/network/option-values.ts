/** Values of the options of `lms network rules`. What is wrong with one is found before anything is asked of the manager. */
import { toLmsError } from '@lms/errors';
import { networkOf, isPrivate, parseNetwork, type AddressKind, type Network } from '@lms/network';
import { InvalidArgumentError } from 'commander';
import { isIP } from 'node:net';

export interface BlockStreamOption {
  readonly kind: AddressKind;
  readonly host: string;
  readonly port: number;
}

/** Each may be several, behind each other or with commas between. */
export function collectNetworks(option: string) {
  return (text: string, previous: readonly Network[] | undefined): readonly Network[] => {
    try {
      return [...(previous ?? []), ...text.split(',').map((part) => parseNetwork(part, option))];
    } catch (thrown) {
      const { message, action } = toLmsError(thrown);
      throw new InvalidArgumentError(`${message}. ${action ?? ''}`);
    }
  };
}

/** An address is private when it is one; a name is taken for public. */
export function collectBlockStream(
  text: string,
  previous: readonly BlockStreamOption[] | undefined,
): readonly BlockStreamOption[] {
  const [, inBrackets, plain, digits] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = inBrackets ?? plain;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('HOST:PORT is needed, with an address of IPv6 in brackets.');
  }
  const kind = isIP(host) !== 0 && isPrivate(networkOf(host)) ? 'private' : 'public';
  return [...(previous ?? []), { kind, host, port }];
}

export function collectLabels(
  text: string,
  previous: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const [, label, value] = /^([A-Za-z0-9./_-]+)=([A-Za-z0-9._-]*)$/.exec(text) ?? [];
  if (label === undefined || value === undefined) throw new InvalidArgumentError('LABEL=VALUE is needed.');
  return { ...previous, [label]: value };
}

export function parseHttpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '') {
    throw new InvalidArgumentError('http://HOST:PORT or https://HOST:PORT is needed, without a user.');
  }
  return url.href;
}
