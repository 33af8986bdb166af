/** DNS: all addresses that this host would use for a name. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { CheckLimits } from '../limits.ts';
import { within } from '../limits.ts';
import { StepFailure } from '../report/step-failure.ts';

/** More are of no use to one connection. */
const MAXIMUM_ADDRESSES = 8;

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** By the system's own resolver, /etc/hosts included: what every program here gets. An address is returned as it is. */
export async function resolveHost(
  host: string,
  limits: CheckLimits,
  signal: AbortSignal,
): Promise<readonly ResolvedAddress[]> {
  const version = isIP(host);
  if (version !== 0) return [{ address: host, family: version === 6 ? 6 : 4 }];
  const late = (): Error =>
    new StepFailure('DNS_NO_ANSWER', `no DNS server answered for ${host} within ${limits.nameMilliseconds} ms`);
  try {
    const found = await within(limits.nameMilliseconds, signal, late, () =>
      lookup(host, { all: true, order: 'verbatim' }),
    );
    return found.slice(0, MAXIMUM_ADDRESSES).map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  } catch (thrown) {
    signal.throwIfAborted();
    throw lookupFailure(host, thrown);
  }
}

export function lookupFailure(host: string, thrown: unknown): StepFailure {
  if (thrown instanceof StepFailure) return thrown;
  const { code = '', message } = thrown as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND' || code === 'ENODATA') {
    return new StepFailure('DNS_NOT_FOUND', `the DNS knows no address of ${host}`, thrown);
  }
  return new StepFailure('DNS_NO_ANSWER', `${host} could not be looked up: ${code || message}`, thrown);
}
