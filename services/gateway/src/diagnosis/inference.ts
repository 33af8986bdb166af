/** What follows from facts before any cause is named: who was heard, who is connected, what fails now. Pure. */
import { BlockList, isIP } from 'node:net';
import type { AgentFailure, DiagnosisFacts, ServerRefusal } from './facts.ts';

/** An agent says its heartbeat every 10 s and its statistics every 5 s; two may be lost. */
const AGENT_HEARD_SECONDS = 25;
/** A replication server reports every 3 s about each of its machines. */
const SERVER_HEARD_SECONDS = 20;
/** An agent that cannot connect tries again after 30 s at most. */
const RECENT_SECONDS = 75;
/** As assertions on 443 are judged. */
export const CLOCK_TOLERANCE_SECONDS = 300;

export function ageSeconds(facts: DiagnosisFacts, at: Date | null): number {
  return at === null ? Infinity : (facts.now.getTime() - at.getTime()) / 1_000;
}

export function isRecent(facts: DiagnosisFacts, at: Date | null): boolean {
  return ageSeconds(facts, at) <= RECENT_SECONDS;
}

export function agentHeard(facts: DiagnosisFacts): boolean {
  return ageSeconds(facts, facts.agent.heardAt) <= AGENT_HEARD_SECONDS;
}

export function serverHeard(facts: DiagnosisFacts): boolean {
  return ageSeconds(facts, facts.server?.heardAt ?? null) <= SERVER_HEARD_SECONDS;
}

/** Either end may say it, as long as it is heard. */
export function hasSession(facts: DiagnosisFacts): boolean {
  const { agent, server } = facts;
  return (agentHeard(facts) && agent.connected === true) || (serverHeard(facts) && server?.connected === true);
}

/** What keeps the agent from 1500 now, as it says itself. What it said before it fell silent says nothing about now. */
export function failureNow(facts: DiagnosisFacts): AgentFailure | null {
  const { agent } = facts;
  return agentHeard(facts) && agent.connected === false ? agent.failure : null;
}

export function failsBy(facts: DiagnosisFacts, ...reasons: readonly string[]): boolean {
  const failure = failureNow(facts);
  return failure !== null && reasons.includes(failure.reason);
}

/** What the replication server refused or ended lately; its clock may be off, and by how much is known. */
export function recentRefusals(facts: DiagnosisFacts, ...reasons: readonly string[]): readonly ServerRefusal[] {
  const aheadMilliseconds = (facts.server?.clockAheadSeconds ?? 0) * 1_000;
  return (facts.server?.refusals ?? []).filter(
    ({ reason, at }) => reasons.includes(reason) && isRecent(facts, new Date(at.getTime() - aheadMilliseconds)),
  );
}

export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
}

/** IP addresses that the agent tried: the address itself, or what its name stood for there. */
export function triedAddresses({ address, resolved }: AgentFailure): readonly string[] {
  const host = address === null ? '' : hostOf(address);
  return isIP(host) === 0 ? resolved : [host];
}

const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4');
}
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addSubnet('fe80::', 10, 'ipv6');

/** Leads somewhere only within a network of somebody. */
export function isPrivate(address: string): boolean {
  const plain = address.replace(/^::ffff:/, '');
  const family = isIP(plain);
  return family !== 0 && PRIVATE.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

/** Known, of no private network, and not this host. */
export function isPublic(address: string | null): boolean {
  if (address === null) return false;
  const plain = address.replace(/^::ffff:/, '');
  return isIP(plain) !== 0 && !isPrivate(plain) && plain !== '::1' && !plain.startsWith('127.');
}

/** The backlog grew all the time although there was a session. A burst of writes is not that: it is drained again. */
export function fallsBehind({ rates }: DiagnosisFacts): boolean {
  if (rates === null || rates.seconds < LEAST_RATE_SECONDS) return false;
  const grown = rates.backlogNow - rates.backlogBefore;
  return grown > LEAST_GROWTH_BYTES && rates.writtenBytesPerSecond > rates.sentBytesPerSecond;
}

const LEAST_RATE_SECONDS = 15;
const LEAST_GROWTH_BYTES = 4 * 1024 * 1024;
