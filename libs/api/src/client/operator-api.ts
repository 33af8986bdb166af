/** What an operator (the command line, the console) asks of the manager. */
import type { ProxySettings } from '@lms/proxy';
import {
  CreateTokenAnswer,
  Diagnosis,
  InitiationReport,
  InstallationSettings,
  JoinToken,
  JoinTokenPage,
  LogsAnswer,
  Machine,
  MachinePage,
  MachineRemoval,
  MachineSettings,
  NetworkAnswer,
  Operation,
  OperationAccepted,
  PointPage,
  ReplicationServerPage,
  Series,
  SettingsPreview,
  StagingObjectPage,
  Status,
  type CheckMachineRequest,
  type CreatePointRequest,
  type CreateTokenRequest,
  type InstallationSettingsRequest,
  type LogsQuery,
  type PageQuery,
  type ReplicationSettingsRequest,
  type SeriesQuery,
  type StagingObjectsQuery,
} from '../schemas/index.ts';
import { LONG_POLL_MARGIN_MILLISECONDS } from './agent-api.ts';
import { ApiClient } from './api-client.ts';
import { operatorAuthorization } from './authorization.ts';
import {
  openDiskImage,
  readIdentity,
  type DiskImage,
  type DiskImageIdentity,
  type DiskImagePlace,
  type DiskImageStart,
} from './disk-image.ts';
import { ManagerWay } from './manager-way.ts';

const DIAGNOSIS_TIMEOUT_MILLISECONDS = 90_000;

export interface OperatorOptions {
  readonly managerUrl: string;
  /** null: only the system's store is trusted. */
  readonly caPem: string | null;
  readonly apiToken: string;
  readonly retries?: number;
  /** Default: none, directly. */
  readonly proxy?: ProxySettings | null;
}

export class OperatorApi {
  private readonly way: ManagerWay;
  private readonly client: ApiClient;

  constructor(options: OperatorOptions) {
    this.way = new ManagerWay(options.caPem, options.proxy ?? null);
    this.client = new ApiClient({
      managerUrl: options.managerUrl,
      dispatcher: this.way.dispatcher,
      authorization: operatorAuthorization(options.apiToken),
      ...(options.retries === undefined ? {} : { retries: options.retries }),
    });
  }

  status(signal: AbortSignal): Promise<Status> {
    return this.client.call({ method: 'GET', path: '/v1/status', answer: Status, signal });
  }

  /** Addresses and ports of this installation. */
  network(signal: AbortSignal): Promise<NetworkAnswer> {
    return this.client.call({ method: 'GET', path: '/v1/network', answer: NetworkAnswer, signal });
  }

  createToken(request: CreateTokenRequest, signal: AbortSignal): Promise<CreateTokenAnswer> {
    return this.client.call({ method: 'POST', path: '/v1/tokens', body: request, answer: CreateTokenAnswer, signal });
  }

  listTokens(page: PageQuery, signal: AbortSignal): Promise<JoinTokenPage> {
    return this.client.call({ method: 'GET', path: '/v1/tokens', query: { ...page }, answer: JoinTokenPage, signal });
  }

  revokeToken(tokenId: string, signal: AbortSignal): Promise<JoinToken> {
    const path = `/v1/tokens/${encodeURIComponent(tokenId)}`;
    return this.client.call({ method: 'DELETE', path, answer: JoinToken, signal });
  }

  listMachines(page: PageQuery, signal: AbortSignal): Promise<MachinePage> {
    return this.client.call({ method: 'GET', path: '/v1/machines', query: { ...page }, answer: MachinePage, signal });
  }

  machine(idOrName: string, signal: AbortSignal): Promise<Machine> {
    return this.client.call({ method: 'GET', path: machinePath(idOrName), answer: Machine, signal });
  }

  /** For good. Safe to repeat. */
  removeMachine(idOrName: string, signal: AbortSignal): Promise<MachineRemoval> {
    return this.client.call({ method: 'DELETE', path: machinePath(idOrName), answer: MachineRemoval, signal });
  }

  stagingObjects(query: StagingObjectsQuery, signal: AbortSignal): Promise<StagingObjectPage> {
    const path = '/v1/staging-objects';
    return this.client.call({ method: 'GET', path, query: { ...query }, answer: StagingObjectPage, signal });
  }

  initiation(idOrName: string, signal: AbortSignal): Promise<InitiationReport> {
    const path = `${machinePath(idOrName)}/initiation`;
    return this.client.call({ method: 'GET', path, answer: InitiationReport, signal });
  }

  /** May take as long as a check of 1500 by the agent, unless `check` is false. */
  diagnose(idOrName: string, check: boolean, signal: AbortSignal): Promise<Diagnosis> {
    return this.client.call({
      method: 'POST',
      path: `${machinePath(idOrName)}/diagnosis`,
      query: { check: String(check) },
      answer: Diagnosis,
      signal,
      timeoutMilliseconds: DIAGNOSIS_TIMEOUT_MILLISECONDS,
      // It changes nothing.
      repeatable: true,
    });
  }

  machineAction(
    idOrName: string,
    action: 'pause' | 'resume' | 'rescan',
    signal: AbortSignal,
  ): Promise<OperationAccepted> {
    const path = `${machinePath(idOrName)}/${action}`;
    return this.client.call({ method: 'POST', path, answer: OperationAccepted, signal });
  }

  machineSettings(idOrName: string, signal: AbortSignal): Promise<MachineSettings> {
    const path = `${machinePath(idOrName)}/settings`;
    return this.client.call({ method: 'GET', path, answer: MachineSettings, signal });
  }

  /** `revision`: of the settings that the change is made for; null: whatever they are. */
  changeMachineSettings(
    idOrName: string,
    change: ReplicationSettingsRequest,
    signal: AbortSignal,
    revision: string | null = null,
  ): Promise<MachineSettings> {
    const path = `${machinePath(idOrName)}/settings`;
    const headers = ifMatch(revision);
    return this.client.call({ method: 'PATCH', path, body: change, headers, answer: MachineSettings, signal });
  }

  /** What the change would do. Nothing is changed. */
  previewMachineSettings(
    idOrName: string,
    change: ReplicationSettingsRequest,
    signal: AbortSignal,
  ): Promise<SettingsPreview> {
    const path = `${machinePath(idOrName)}/settings`;
    const query = { dryRun: 'true' };
    return this.client.call({ method: 'PATCH', path, query, body: change, answer: SettingsPreview, signal });
  }

  settings(signal: AbortSignal): Promise<InstallationSettings> {
    return this.client.call({ method: 'GET', path: '/v1/settings', answer: InstallationSettings, signal });
  }

  changeSettings(
    change: InstallationSettingsRequest,
    signal: AbortSignal,
    revision: string | null = null,
  ): Promise<InstallationSettings> {
    const headers = ifMatch(revision);
    const path = '/v1/settings';
    return this.client.call({ method: 'PATCH', path, body: change, headers, answer: InstallationSettings, signal });
  }

  previewSettings(change: InstallationSettingsRequest, signal: AbortSignal): Promise<SettingsPreview> {
    const query = { dryRun: 'true' };
    const path = '/v1/settings';
    return this.client.call({ method: 'PATCH', path, query, body: change, answer: SettingsPreview, signal });
  }

  machineStatistics(idOrName: string, query: SeriesQuery, signal: AbortSignal): Promise<Series> {
    const path = `${machinePath(idOrName)}/statistics`;
    return this.client.call({ method: 'GET', path, query: { ...query }, answer: Series, signal });
  }

  /** `idempotencyKey`: the same key again returns the same operation, so the call may be repeated. */
  createPoint(
    idOrName: string,
    request: CreatePointRequest,
    idempotencyKey: string,
    signal: AbortSignal,
  ): Promise<OperationAccepted> {
    return this.client.call({
      method: 'POST',
      path: `${machinePath(idOrName)}/points`,
      body: request,
      headers: { 'idempotency-key': idempotencyKey },
      answer: OperationAccepted,
      signal,
      repeatable: true,
    });
  }

  /** Answers when the operation is over, or after `waitSeconds` (at most 25) as it then is. */
  operation(operationId: string, waitSeconds: number, signal: AbortSignal): Promise<Operation> {
    return this.client.call({
      method: 'GET',
      path: `/v1/operations/${encodeURIComponent(operationId)}`,
      query: { wait: waitSeconds },
      answer: Operation,
      signal,
      timeoutMilliseconds: waitSeconds * 1_000 + LONG_POLL_MARGIN_MILLISECONDS,
    });
  }

  /** Oldest first. */
  listPoints(idOrName: string, page: PageQuery, signal: AbortSignal): Promise<PointPage> {
    const path = `${machinePath(idOrName)}/points`;
    return this.client.call({ method: 'GET', path, query: { ...page }, answer: PointPage, signal });
  }

  deletePoint(idOrName: string, sequence: number, signal: AbortSignal): Promise<OperationAccepted> {
    const path = `${machinePath(idOrName)}/points/${sequence}`;
    return this.client.call({ method: 'DELETE', path, answer: OperationAccepted, signal });
  }

  verifyPoint(idOrName: string, sequence: number, signal: AbortSignal): Promise<OperationAccepted> {
    const path = `${machinePath(idOrName)}/points/${sequence}/verify`;
    return this.client.call({ method: 'POST', path, answer: OperationAccepted, signal });
  }

  /** Safe to repeat. */
  pinPoint(
    idOrName: string,
    sequence: number,
    action: 'pin' | 'unpin',
    signal: AbortSignal,
  ): Promise<OperationAccepted> {
    const path = `${machinePath(idOrName)}/points/${sequence}/${action}`;
    return this.client.call({ method: 'POST', path, answer: OperationAccepted, signal, repeatable: true });
  }

  /** What the raw disk of a point is: its size, what names its content, and its SHA-256 where that is known. */
  async diskImageIdentity(place: DiskImagePlace, signal: AbortSignal): Promise<DiskImageIdentity> {
    return readIdentity(await this.client.head(imagePath(place), signal));
  }

  /**
   * The raw disk of a point, from `start` on. The stream fails when it is not whole. NOT_FOUND also where another point has
   * its place by now.
   */
  diskImage(place: DiskImagePlace, start: DiskImageStart, signal: AbortSignal): Promise<DiskImage> {
    return openDiskImage(this.client, imagePath(place), start, signal);
  }

  /** The report comes with the operation. */
  checkMachine(idOrName: string, request: CheckMachineRequest, signal: AbortSignal): Promise<OperationAccepted> {
    const path = `${machinePath(idOrName)}/checks`;
    return this.client.call({ method: 'POST', path, body: request, answer: OperationAccepted, signal });
  }

  listReplicationServers(page: PageQuery, signal: AbortSignal): Promise<ReplicationServerPage> {
    const path = '/v1/replication-servers';
    return this.client.call({ method: 'GET', path, query: { ...page }, answer: ReplicationServerPage, signal });
  }

  /** Its way to the manager. */
  checkReplicationServer(name: string, signal: AbortSignal): Promise<OperationAccepted> {
    const path = `/v1/replication-servers/${encodeURIComponent(name)}/checks`;
    return this.client.call({ method: 'POST', path, body: { target: '443' }, answer: OperationAccepted, signal });
  }

  logs(query: LogsQuery, signal: AbortSignal): Promise<LogsAnswer> {
    return this.client.call({
      method: 'GET',
      path: '/v1/logs',
      query: { ...query },
      answer: LogsAnswer,
      signal,
    });
  }

  async close(): Promise<void> {
    await this.way.close();
  }
}

function machinePath(idOrName: string): string {
  return `/v1/machines/${encodeURIComponent(idOrName)}`;
}

function imagePath({ idOrName, sequence, diskId }: DiskImagePlace): string {
  return `${machinePath(idOrName)}/points/${sequence}/disks/${encodeURIComponent(diskId)}/image`;
}

function ifMatch(revision: string | null): Record<string, string> {
  return revision === null ? {} : { 'if-match': `"${revision}"` };
}
