/** From the services' messages to what is known of the replication server of a machine. */
import { StallCause, wordOf, type GetMachineObservationsResponse, type GetServingServerResponse } from '@lms/proto';
import { count, optionalText } from '../translation/values.ts';
import { later, secondsOf } from './agent-facts.ts';
import type { ServerFacts, ServerRefusal } from './facts.ts';

export function serverFactsOf(
  serving: GetServingServerResponse | null,
  observations: GetMachineObservationsResponse | null,
): ServerFacts | null {
  if (serving === null || serving.replicationServer === '') return null;
  const name = serving.replicationServer;
  // What another one said about the machine before it was given to this one says nothing of this one.
  const sample = observations?.replicationServerName === name ? observations.replicationServer : undefined;
  const reportedAt = sample === undefined ? null : (observations?.replicationServerReceivedAt ?? null);
  return {
    name,
    running: serving.running ?? null,
    failure: optionalText(serving.failure),
    heardAt: later(serving.calledAt ?? null, reportedAt),
    clockAheadSeconds: secondsOf(serving.clockAheadMilliseconds),
    interfaceAddresses: serving.interfaceAddresses,
    formerAddresses: serving.formerAddresses.flatMap(({ address, until }) =>
      until === undefined ? [] : [{ address, until }],
    ),
    connected: sample?.sessionConnected ?? null,
    refusals: (sample?.refusals ?? []).flatMap(refusalOf),
    stallCause: wordOf(StallCause, sample?.stallCause ?? 0),
    stallDetail: optionalText(sample?.stallDetail ?? ''),
    freeBytes: sample === undefined ? null : count(sample.freeBytes),
  };
}

function refusalOf(
  refusal: NonNullable<GetMachineObservationsResponse['replicationServer']>['refusals'][number],
): ServerRefusal[] {
  const { reason, message, address, at, count: times, proven } = refusal;
  return at === undefined ? [] : [{ reason, message, address: optionalText(address), at, count: times, proven }];
}
