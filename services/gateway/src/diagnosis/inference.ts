/** What follows from facts before any cause is named: who was heard, who is connected, what fails now. Pure. */
import { BlockList, isIP } from 'node:net';
import type { AgentFailure, DiagnosisFacts, ServerRefusal } from './facts.ts';

/** An agent says its statistics every 5 s, and its heartbeat every 10 s. */
const AGENT_HEARD_SECONDS = 16;
/** A replication server reports every 3 s about each of its machines. */
const SERVER_HEARD_SECONDS = 15;
/** An agent that is heard on 443 may be between two reports when it speaks on 1500. */
const BETWEEN_REPORTS_SECONDS = 7;
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

/** Not one that said that it stops, nor one that was refused, or spoke to the replication server of its clock, since. */
export function agentHeard(facts: DiagnosisFacts): boolean {
  const { agent, refusedCall } = facts;
  if (agent.heardAt === null || agent.state === 'STOPPED') return false;
  if (refusedCall !== null && refusedCall.at > agent.heardAt) return false;
  if (wordOnClock(facts) !== null) return false;
  return ageSeconds(facts, agent.heardAt) <= AGENT_HEARD_SECONDS;
}

/**
 * The last word on 1500 of an agent that calls a certificate out of force that the manager gave; null: there is none, or it
 * was heard on 443 since. It has proven who it is.
 */
export function wordOnClock(facts: DiagnosisFacts): ServerRefusal | null {
  const heardAt = facts.agent.heardAt?.getTime() ?? 0;
  const words = recentRefusals(facts, 'TLS_NOT_YET_VALID', 'TLS_EXPIRED').filter(
    ({ proven, at }) => proven && at.getTime() - serverAhead(facts) > heardAt + BETWEEN_REPORTS_SECONDS * 1_000,
  );
  return words[0] ?? null;
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
  return (facts.server?.refusals ?? []).filter(
    ({ reason, at }) => reasons.includes(reason) && isRecent(facts, new Date(at.getTime() - serverAhead(facts))),
  );
}

/** Milliseconds. */
export function serverAhead({ server }: DiagnosisFacts): number {
  return (server?.clockAheadSeconds ?? 0) * 1_000;
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

/** The backlog has been there and grown for a while. A burst of writes is not that: it is drained again. */
export function fallsBehind({ rates }: DiagnosisFacts): boolean {
  if (rates === null || rates.seconds < LEAST_RATE_SECONDS) return false;
  const grown = rates.backlogNow - rates.backlogBefore;
  return grown > LEAST_GROWTH_BYTES && rates.writtenBytesPerSecond > rates.sentBytesPerSecond;
}

const LEAST_RATE_SECONDS = 15;
const LEAST_GROWTH_BYTES = 4 * 1024 * 1024;
