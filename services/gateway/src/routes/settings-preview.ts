/** What a change of settings would do, told instead of done. */
import {
  SETTING_NAMES,
  type InstallationSettingsChange,
  type ReplicationSettings,
  type SettingName,
  type SettingsPreview,
} from '@lms/api';
import {
  CreateOperationRequest,
  OperationKind,
  type BlockStreamEndpoint,
  type MachineSettingsPreview,
} from '@lms/proto';
import { activeTraceparent } from '@lms/telemetry';
import type { ServiceClients } from '../manager-services.ts';
import { replicationSettings, settingsChange } from '../translation/settings.ts';

type Clients = Pick<ServiceClients, 'registry' | 'staging'>;
type MachinePreview = SettingsPreview['machines'][number];

/** Above all steps of a check together. */
const CHECK_TIMEOUT_SECONDS = 120;
/** A sample tells whether a default can hold; each of them is an operation, and an answer must come in time. */
const MAXIMUM_ASKED_MACHINES = 100;

/** What a change of each does to a replication that runs. */
const EFFECTS: Readonly<Record<SettingName, string>> = {
  pointIntervalSeconds: 'Points are attempted at this interval from the next heartbeat of the agent on.',
  freezeIntervalSeconds: 'Freezes that nobody asked for come this far apart from the next heartbeat of the agent on.',
  freezing: 'Holds for the points after the next heartbeat of the agent.',
  compression: 'Holds for what is sent after the next heartbeat of the agent.',
  retention: 'The replication server keeps points by these rows from the next point on; pinned ones stay.',
  'blockStream.use': 'The session moves to an address that is named, once the agent has reached one.',
  'blockStream.public': 'The session moves, if it is by the public address, once the agent has reached the new one.',
  'blockStream.private': 'The session moves, if it is by the private address, once the agent has reached the new one.',
  bandwidth: 'Holds for what is sent after the next heartbeat of the agent; the session goes on.',
};

/** `idOrName`: empty: of all machines. */
export async function previewOf(
  clients: Clients,
  idOrName: string,
  { stagingProxy, replicationServerBandwidth, ...change }: InstallationSettingsChange,
): Promise<SettingsPreview> {
  const machines: MachinePreview[] = [];
  for await (const part of clients.registry.previewSettings({ idOrName, change: settingsChange(change) })) {
    for (const preview of part.machines) {
      const asked = machines.filter(({ blockStream }) => (blockStream?.checks.length ?? 0) > 0).length;
      machines.push(await machinePreview(clients, preview, asked < MAXIMUM_ASKED_MACHINES));
    }
  }
  const effects: string[] = [];
  if (stagingProxy !== undefined) {
    const way = stagingProxy === null ? 'directly' : `by the proxy ${stagingProxy.url}`;
    effects.push(
      `Replication servers reach the manager ${way}, without a restart; those that cannot keep the way that they have.`,
    );
  }
  if (replicationServerBandwidth !== undefined) {
    effects.push('Replication servers take the new limit at once; no session ends.');
  }
  return { machines, effects };
}

async function machinePreview(
  clients: Clients,
  preview: MachineSettingsPreview,
  asks: boolean,
): Promise<MachinePreview> {
  const { machineId, name, agentConnected, before, after } = preview;
  const changes = before === undefined || after === undefined ? [] : changesOf(before, after);
  const moves = changes.some(({ setting }) => setting.startsWith('blockStream.'));
  const blockStream = moves ? await movesOf(clients, preview, asks) : null;
  return { id: machineId, name, agentConnected, changes, blockStream };
}

function changesOf(
  before: NonNullable<MachineSettingsPreview['before']>,
  after: NonNullable<MachineSettingsPreview['after']>,
): MachinePreview['changes'] {
  const [old, changed] = [replicationSettings(before), replicationSettings(after)];
  return SETTING_NAMES.flatMap((setting) => {
    const [from, to] = [valueOf(old, setting), valueOf(changed, setting)];
    if (JSON.stringify(from) === JSON.stringify(to)) return [];
    return [{ setting, from, to, effect: EFFECTS[setting] }];
  });
}

/** The agent tries what it would move to; whoever asked for the preview asks for what it found out. */
async function movesOf(
  clients: Clients,
  { machineId, agentConnected, after }: MachineSettingsPreview,
  asks: boolean,
): Promise<MachinePreview['blockStream']> {
  const { wanted, withdrawn } = await clients.staging.getBlockStreamWays({ machineId, settings: after?.blockStream });
  if (withdrawn.length === 0) return null;
  const checks: NonNullable<MachinePreview['blockStream']>['checks'] = [];
  for (const endpoint of agentConnected && asks ? wanted : []) {
    checks.push({ address: textOf(endpoint), operationId: await askForCheck(clients, machineId, endpoint) });
  }
  return { withdrawn: withdrawn.map(textOf), remaining: wanted.map(textOf), checks };
}

async function askForCheck({ registry }: Clients, machineId: string, { host, port }: BlockStreamEndpoint) {
  const { operation } = await registry.createOperation({
    ...CreateOperationRequest.fromPartial({ idOrName: machineId, timeoutSeconds: CHECK_TIMEOUT_SECONDS }),
    kind: OperationKind.CHECK_FROM_AGENT,
    check: { target: '1500', address: { host, port, serverName: '' } },
    traceparent: activeTraceparent() ?? '',
  });
  return operation?.operationId ?? '';
}

function textOf({ host, port }: BlockStreamEndpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function valueOf(settings: ReplicationSettings, name: SettingName) {
  switch (name) {
    case 'blockStream.use':
      return settings.blockStream.use;
    case 'blockStream.public':
      return settings.blockStream.public;
    case 'blockStream.private':
      return settings.blockStream.private;
    default:
      return settings[name];
  }
}
