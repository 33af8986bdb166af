/** `lms.v1.Registry` over the concepts of this folder: nothing but calling them. */
import { LmsError } from '@lms/errors';
import { parseCertificate } from '@lms/identity';
import { OperationKind, OperationState, type RegistryService } from '@lms/proto';
import type { Handlers } from '@lms/rpc';
import type { OpenedAuthority } from './authority-files.ts';
import { enrolMachine, enrolReplicationServer, renewCertificate, type Enrolment } from './certificates.ts';
import type { MachineRemoval } from './machine-removal.ts';
import type { Operations } from './operations.ts';
import { pageOf } from './paging.ts';
import type { Points } from './points.ts';
import type { Installation } from './settings/installation.ts';
import { previewSettings } from './settings/preview.ts';
import { watchTasks } from './task-watch.ts';

export interface RegistryParts extends Enrolment {
  readonly opened: OpenedAuthority;
  readonly points: Points;
  readonly operations: Operations;
  readonly installation: Installation;
  readonly removal: MachineRemoval;
}

/** Components that may ask for operators' and gateways' secrets. */
const TRUSTED_WITH_SECRETS: ReadonlySet<string> = new Set(['gateway', 'manager']);

export function createHandlers(parts: RegistryParts): Handlers<typeof RegistryService> {
  const {
    authority,
    tokens,
    machines,
    installation,
    replicationServers,
    removed,
    removal,
    points,
    operations,
    opened,
  } = parts;
  return {
    getTrust: async (_request, { peer }) => ({
      caPem: authority.certificatePem,
      caSha256: authority.sha256,
      trustDomain: authority.trustDomain,
      accessTokenKey: TRUSTED_WITH_SECRETS.has(peer) ? Buffer.from(opened.accessTokenKey) : Buffer.alloc(0),
    }),
    issueGatewayCertificate: async ({ csrPem, names }, { peer }) => {
      requireTrusted(peer);
      const certificatePem = await authority.issueGateway(csrPem, names);
      return { certificatePem, notAfter: parseCertificate(certificatePem).validToDate };
    },

    createToken: (request) => tokens.create(request, new Date()),
    listTokens: async (request) => {
      const { items, nextPageToken } = tokens.list(request);
      return { tokens: items, nextPageToken };
    },
    revokeToken: async ({ tokenId }) => ({ token: await tokens.revoke(tokenId) }),
    ensureOperatorToken: async ({ secretSha256, name }, { peer }) => {
      requireTrusted(peer);
      return { tokenId: await tokens.ensureOperator(secretSha256, name, new Date()) };
    },
    authenticateOperator: async ({ secret }) => tokens.authenticateOperator(secret, new Date()),

    enrolMachine: (request) => enrolMachine(parts, request, new Date()),
    enrolReplicationServer: (request) => enrolReplicationServer(parts, request, new Date()),
    renewCertificate: (request) => renewCertificate(parts, request, new Date()),

    getMachine: async ({ idOrName }) => ({ machine: machines.require(idOrName, new Date()) }),
    listMachines: async (request) => {
      const { items, nextPageToken } = machines.list(request, new Date());
      return { machines: items, nextPageToken };
    },
    heartbeatMachine: async (request) => ({ machine: await machines.heartbeat(request, new Date()) }),
    updateMachineSettings: async ({ idOrName, change, expectedOverridesRevision }) => {
      if (change === undefined) throw new LmsError('INVALID_ARGUMENT', 'no settings were given', { field: 'change' });
      return { machine: await machines.updateSettings(idOrName, change, expectedOverridesRevision, new Date()) };
    },
    getSettings: async () => installation.show(),
    updateSettings: async (request) => {
      const settings = await installation.update(request);
      if (request.defaults !== undefined) machines.tellSettings(new Date());
      return { settings };
    },
    previewSettings: (request) => previewSettings({ machines, installation }, request, new Date()),
    setMachinePaused: async ({ idOrName, paused }) => {
      const now = new Date();
      const { machineId } = machines.require(idOrName, now);
      await machines.setPaused(machineId, paused, now);
      const kind = paused ? OperationKind.PAUSE : OperationKind.RESUME;
      return { operation: await operations.create(agentOperation(machineId, kind), now) };
    },
    getRemovedMachine: async ({ idOrName }) => {
      const machine = removed.get(idOrName) ?? removed.findByName(idOrName);
      if (machine !== null) return { machine };
      throw new LmsError('NOT_FOUND', `no machine ${idOrName} is remembered as removed`, { field: 'idOrName' });
    },
    removeMachine: (request) => removal.remove(request, new Date()),
    listReplicationServers: async (request) => {
      const { items, nextPageToken } = replicationServers.list(request);
      return { replicationServers: items, nextPageToken };
    },

    createOperation: async (request) => ({ operation: await operations.create(request, new Date()) }),
    getOperation: async ({ operationId, waitMilliseconds }, { signal }) => {
      const operation = await operations.wait(operationId, waitMilliseconds, signal);
      const made = operation.kind === OperationKind.CREATE_POINT && operation.state === OperationState.SUCCEEDED;
      return { operation, point: (made ? points.get(operation.machineId, operation.sequence) : null) ?? undefined };
    },
    watchCommands: async ({ machineId, knownOperationIds, waitMilliseconds }, { signal }) => {
      removed.refuse(machineId);
      return { operations: await operations.commands(machineId, knownOperationIds, waitMilliseconds, signal) };
    },
    watchTasks: async (request, { signal, peer }) => {
      requireTrusted(peer);
      return watchTasks(parts, request, signal);
    },
    completeOperation: async (request) => ({ operation: await operations.complete(request, new Date()) }),

    reportPoints: async ({ machineId, complete, points: reported }) => {
      removed.refuse(machineId);
      await points.report(machineId, reported, complete);
      await operations.pointsReported(machineId, reported, new Date());
      return {};
    },
    listPoints: async ({ idOrName, ...page }) => {
      const { machineId } = machines.require(idOrName, new Date());
      const key = (sequence: bigint): string => sequence.toString().padStart(20, '0');
      const { items, nextPageToken } = pageOf(points.of(machineId), (point) => key(point.sequence), page);
      return { points: items, nextPageToken };
    },
    getPoint: async ({ idOrName, sequence }) => {
      const { machineId, name } = machines.require(idOrName, new Date());
      return { machineId, point: points.require(machineId, name, sequence) };
    },
  };
}

function agentOperation(machineId: string, kind: OperationKind) {
  return {
    idOrName: machineId,
    kind,
    consistency: 0,
    sequence: 0n,
    diskId: '',
    timeoutSeconds: 0,
    traceparent: '',
    idempotencyKey: '',
    checkpointId: '',
    offsetBytes: 0n,
    lengthBytes: 0n,
    replicationServer: '',
    check: undefined,
  } as const;
}

function requireTrusted(peer: string): void {
  if (TRUSTED_WITH_SECRETS.has(peer)) return;
  throw new LmsError('PERMISSION_DENIED', `${peer} may not ask for this`);
}
