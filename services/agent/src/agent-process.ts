/**
 * The agent as it runs: the core on the real kernel and network, and beside it what talks to the manager.
 *
 * Situation: replication must go on whatever the manager does. Mechanism: the core knows only its ports; heartbeats, uploads,
 * commands and the certificate are loops of their own, each with its own back-off, and none of them waits for another.
 * Special cases: started while the manager is away, the agent takes the last assignment from its state folder.
 * Failure: order of the stop is core (the map is saved, the kernel goes on recording), then the manager's loops (a last
 * report), then the rest; the trace instance stays on purpose, so that the next run can go on without a rescan. A machine
 * that was removed from the manager ends in the same order, and then only waits (`removed-agent.ts`).
 */
import { randomUUID } from 'node:crypto';
import { BandwidthLimiter } from '@lms/bandwidth';
import { productVersion } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { BACKGROUND_PRIORITY, setProcessPriority } from '@lms/linux';
import { Replicator } from './core/index.ts';
import { findEnrolledDisks } from './enrolment/find-disks.ts';
import {
  createBufferPool,
  openFreezer,
  openRuntimeMemory,
  openTraceInstance,
  readBootId,
  runtimeFolder,
  systemClock,
} from './kernel/index.ts';
import { AgentLog } from './logging/agent-log.ts';
import { ManagerLink } from './manager-link/manager-link.ts';
import { BlockStreamEndpoint } from './replication/block-stream-endpoint.ts';
import { CertificateHolder } from './manager-link/certificate-renewal.ts';
import { observeReplication } from './replication/metrics.ts';
import { beginPointTrace } from './replication/point-trace.ts';
import { stayRemoved } from './removed-agent.ts';
import { readTuning } from './tuning.ts';
import { NO_PROXIES } from './state/agent-proxies.ts';
import type { Removal } from './state/removal.ts';
import { runtimeId, traceInstanceName } from './state/runtime-names.ts';
import type { StateFolder } from './state/state-folder.ts';
import { WriteGate } from './state/write-gate.ts';
import { keepStatusFile } from './status-file.ts';

/** 1 MiB each: enough for a window's remainder (16 MiB) and the stream's window, far below the limit of 256 MiB (R10). */
const BUFFERS = 48;

export async function runAgentProcess(state: StateFolder, signal: AbortSignal): Promise<void> {
  const removal = (await state.findRemoval()) ?? (await replicate(state, signal));
  if (removal !== null) await stayRemoved(state, removal, signal);
}

/** Until the signal aborts (null), or the manager says that the machine was removed. */
async function replicate(state: StateFolder, signal: AbortSignal): Promise<Removal | null> {
  const resources = new AsyncDisposableStack();
  try {
    return await runWith(resources, state, signal);
  } finally {
    await resources.disposeAsync();
  }
}

async function runWith(
  resources: AsyncDisposableStack,
  state: StateFolder,
  signal: AbortSignal,
): Promise<Removal | null> {
  const identity = await state.identity();
  const { privateKeyPem, certificatePem, caPem } = await state.credentials();
  const id = runtimeId(state.path);
  const log = new AgentLog();
  const proxies = await state.proxies().catch((thrown: unknown) => {
    // An agent that ended for it would lose track of its disks.
    log.logger.error(`neither manager nor replication server is reached by a proxy: ${toLmsError(thrown).message}`);
    return NO_PROXIES;
  });

  const memory = await openRuntimeMemory(id);
  resources.defer(() => memory.close());
  const disks = await findEnrolledDisks(identity.disks, memory);
  resources.defer(async () => {
    await Promise.all(disks.map((disk) => disk.close()));
  });
  const freezer = await openFreezer({ disks, runtimeFolder: runtimeFolder(id) });
  resources.defer(() => freezer.close());
  for (const mount of freezer.thawedAtStart) log.logger.warn({ mount }, 'an earlier agent had left this frozen');
  for (const shortcoming of freezer.shortcomings) log.logger.info(shortcoming);
  // After the guardian has been started: it keeps the priority that it is born with.
  setProcessPriority(BACKGROUND_PRIORITY);

  const certificate = new CertificateHolder(certificatePem);
  const bandwidth = new BandwidthLimiter(systemClock);
  const endpoint = new BlockStreamEndpoint({
    caPem,
    privateKeyPem,
    certificatePem: () => certificate.pem,
    log: (message) => log.logger.info(message),
    ...readTuning(process.env),
    sendPacer: bandwidth.share(),
    proxy: proxies.blockStream,
  });
  const gate = new WriteGate();
  const replicator = new Replicator({
    disks,
    openTrace: (mode) => openTraceInstance({ name: traceInstanceName(state.path), disks, mode }),
    freezer: gate.guard(freezer),
    clock: systemClock,
    memory,
    pool: createBufferPool(BUFFERS),
    connect: (connecting) => endpoint.connect(connecting),
    bootId: readBootId(),
    agentVersion: productVersion(),
    newIdentifier: randomUUID,
    observer: {
      log: (level, message, attributes) => log.logger[level]({ ...attributes }, message),
      beginPoint: beginPointTrace,
      frozen: (isFrozen) => log.hold(isFrozen),
    },
  });
  observeReplication(() => replicator.status(), bandwidth);
  const link = new ManagerLink({
    identity,
    state,
    gate,
    certificate,
    privateKeyPem,
    caPem,
    proxies,
    replicator,
    endpoint,
    bandwidth,
    log,
    spoolFolder: runtimeFolder(id),
  });
  resources.defer(() => link.close());

  log.logger.info({ machineId: identity.machineId, pid: process.pid, version: productVersion() }, 'the agent runs');
  const ending = new AbortController();
  const beside = [link.run(ending.signal), keepStatusFile(memory, () => link.runningStatus(), ending.signal)];
  await replicator.run(AbortSignal.any([signal, link.removed]));
  log.logger.info(
    link.removed.aborted ? 'replication has ended' : 'replication has stopped; the kernel goes on recording',
  );
  link.sampleNow();
  ending.abort(new DOMException('the agent is stopping', 'AbortError'));
  await Promise.all(beside);
  return link.removal;
}
