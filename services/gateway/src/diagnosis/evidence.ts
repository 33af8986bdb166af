/** What was looked at and what was found, with its time and the side that says so: a diagnosis can be checked by it. */
import type { Diagnosis } from '@lms/api';
import { expectedFlows } from './expected-flows.ts';
import type { DiagnosisFacts } from './facts.ts';
import { agentHeard, isRecent, serverHeard } from './inference.ts';
import { formatBitRate, formatClock } from './wording.ts';

type Row = Diagnosis['evidence'][number];
type Side = Row['from'];

export function evidenceOf(facts: DiagnosisFacts): readonly Row[] {
  return [
    ...registrationRows(facts),
    ...agentRows(facts),
    ...serverRows(facts),
    ...pathRows(facts),
    ...flowRows(facts),
    ...facts.unknown.map(({ side, reason }) => row(side, `not known: ${reason}`, null, 'manager')),
  ];
}

function registrationRows(facts: DiagnosisFacts): Row[] {
  const { machine, removedAt, paused } = facts;
  if (removedAt !== null) return [row('machine', `${machine.name} was removed`, removedAt, 'registry')];
  const asked = paused ? 'paused by an operator' : 'to be replicated';
  const instances = facts.instances.filter(({ lastAt }) => isRecent(facts, lastAt));
  const rows = [row('machine', `${machine.name} is ${asked}`, null, 'registry')];
  for (const { instanceId, hostName, sourceAddress, lastAt, returnedAt } of instances.length > 1 ? instances : []) {
    const again = returnedAt === null ? '' : ', and came again after another';
    const where = `${hostName}, from ${sourceAddress || 'an unknown address'}`;
    rows.push(row('agent process', `${instanceId} on ${where}${again}`, lastAt, 'manager'));
  }
  return rows;
}

function agentRows(facts: DiagnosisFacts): Row[] {
  const { agent, refusedCall } = facts;
  if (facts.removedAt !== null) return [];
  const from = agent.sourceAddress === null ? '' : ` from ${agent.sourceAddress}`;
  const rows = [row('agent on 443', agentHeard(facts) ? `reports${from}` : 'is not heard', agent.heardAt, 'manager')];
  if (refusedCall !== null) rows.push(row('refused call on 443', refusedCall.message, refusedCall.at, 'manager'));
  const reported = agent.reportedAt;
  if (reported === null) return rows;
  const clock = agent.clockAheadSeconds;
  if (clock !== null) rows.push(row('clock of the machine', formatClock(clock), reported, 'manager'));
  if (agent.certificateExpiresAt !== null) {
    rows.push(row("agent's certificate", `until ${agent.certificateExpiresAt.toISOString()}`, reported, 'agent'));
  }
  const detail = agent.detail === null ? '' : `: ${agent.detail}`;
  rows.push(row('state', `${agent.state ?? 'unknown'}${detail}`, reported, 'agent'));
  rows.push(row('session on 1500', agent.connected === null ? 'unknown' : yes(agent.connected), reported, 'agent'));
  if (agent.failure !== null) {
    const { reason, message, count, at, resolved } = agent.failure;
    const stands = resolved.length === 0 ? '' : `; the name stands for ${resolved.join(', ')} there`;
    rows.push(row('last failure on 1500', `${reason}, ${count} in a row: ${message}${stands}`, at, 'agent'));
  }
  if (agent.managerFailure !== null) {
    rows.push(row('last failure on 443', agent.managerFailure.message, agent.managerFailure.at, 'agent'));
  }
  if (agent.lastWarning !== null)
    rows.push(row('last warning', agent.lastWarning.message, agent.lastWarning.at, 'agent'));
  return rows;
}

function serverRows(facts: DiagnosisFacts): Row[] {
  const { server } = facts;
  if (facts.removedAt !== null) return [];
  if (server === null) return [row('replication server', 'none', null, 'staging-controller')];
  const runs = server.running === null ? 'unknown whether it runs' : server.running ? 'runs' : 'does not run';
  const why = server.failure === null ? '' : `: ${server.failure}`;
  const heard = serverHeard(facts) ? 'reports' : 'is not heard';
  const rows = [
    row('replication server', `${server.name} ${runs}${why}`, null, 'staging-controller'),
    row('replication server on 443', heard, server.heardAt, 'manager'),
  ];
  if (server.clockAheadSeconds !== null) {
    rows.push(row('clock of the replication server', formatClock(server.clockAheadSeconds), null, 'manager'));
  }
  if (server.interfaceAddresses.length > 0) {
    rows.push(row('its addresses', server.interfaceAddresses.join(', '), server.heardAt, 'replication server'));
  }
  for (const { address, until } of server.formerAddresses) {
    rows.push(row('former address', address, until, 'replication server'));
  }
  if (server.connected !== null) {
    rows.push(row('session on 1500', yes(server.connected), server.heardAt, 'replication server'));
  }
  for (const { reason, message, address, count, at, proven } of server.refusals) {
    const who = proven ? 'this machine' : (address ?? 'somebody');
    rows.push(row('refused on 1500', `${who}: ${reason}, ${count} times: ${message}`, at, 'replication server'));
  }
  if (server.stallCause !== null) {
    rows.push(
      row('staging area', `${server.stallCause}: ${server.stallDetail ?? ''}`, server.heardAt, 'replication server'),
    );
  }
  return rows;
}

function pathRows({
  removedAt,
  endpoints,
  rates,
  bandwidthLimitBitsPerSecond,
  failedStep,
  check,
}: DiagnosisFacts): Row[] {
  if (removedAt !== null) return [];
  const rows = endpoints.map(({ host, port, resolved }) => {
    const stands =
      resolved.length === 0 || resolved.includes(host) ? '' : `, which stands for ${resolved.join(', ')} here`;
    return row('address for 1500', `${host}:${port}${stands}`, null, 'staging-controller');
  });
  if (failedStep !== null) {
    rows.push(row('initiation', `${failedStep.step} failed: ${failedStep.error}`, failedStep.at, 'staging-controller'));
  }
  if (rates !== null) {
    const limit =
      bandwidthLimitBitsPerSecond === null ? 'no limit' : `limit ${formatBitRate(bandwidthLimitBitsPerSecond)}`;
    const written = formatBitRate(rates.writtenBytesPerSecond * 8);
    const sent = formatBitRate(rates.sentBytesPerSecond * 8);
    const found = `${written} changed, ${sent} of it sent (${formatBitRate(rates.wireBitsPerSecond)} on the wire), ${limit}`;
    rows.push(row('write rate and bandwidth', found, null, 'statistics'));
  }
  if (check !== null) rows.push(row('check of 1500', check.message, check.at, 'agent'));
  return rows;
}

function flowRows(facts: DiagnosisFacts): Row[] {
  if (facts.removedAt !== null) return [];
  return expectedFlows(facts).map(({ rule, found, at }) => row(`rule: ${rule}`, found, at, 'manager'));
}

function row(what: string, found: string, at: Date | null, from: Side): Row {
  return { what, found, at: at?.toISOString() ?? null, from };
}

function yes(connected: boolean): string {
  return connected ? 'there is one' : 'there is none';
}
