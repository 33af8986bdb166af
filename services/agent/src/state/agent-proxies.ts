/** The proxies of this agent, as enrolment or `lms-agent configure` left them in the state folder (mode 0600: with passwords). */
import { ProxySettings } from '@lms/proxy';
import { z } from 'zod';

export const AgentProxies = z.object({
  schemaVersion: z.literal(1),
  /** RFC 3339; says which version a running agent uses. */
  changedAt: z.string(),
  /** For 443; null: directly. */
  manager: ProxySettings.nullable(),
  /** For 1500; null: directly. */
  blockStream: ProxySettings.nullable(),
});
export type AgentProxies = Readonly<z.infer<typeof AgentProxies>>;

/** Of an agent that was enrolled without any. */
export const NO_PROXIES: AgentProxies = { schemaVersion: 1, changedAt: '', manager: null, blockStream: null };

/** What may be shown: never the password. */
export interface ShownProxy {
  readonly url: string;
  readonly username: string | null;
  readonly noProxy: readonly string[];
  /** Whether `--proxy-ca` names a CA. */
  readonly ownCa: boolean;
}

export function showProxy(proxy: ProxySettings | null): ShownProxy | null {
  if (proxy === null) return null;
  const { url, username, noProxy, caPem } = proxy;
  return { url, username, noProxy, ownCa: caPem !== null };
}

/** One line for a person. */
export function describeProxy(proxy: ShownProxy | null): string {
  if (proxy === null) return 'none';
  const parts = [proxy.url];
  if (proxy.username !== null) parts.push(`as ${proxy.username}`);
  if (proxy.ownCa) parts.push('with a CA of its own');
  if (proxy.noProxy.length > 0) parts.push(`not for ${proxy.noProxy.join(', ')}`);
  return parts.join(', ');
}
