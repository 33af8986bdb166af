/** What a change of settings would make of each machine. */
import {
  ReplicationSettings,
  type Machine,
  type MachineSettingsPreview,
  type PreviewSettingsRequest,
  type PreviewSettingsResponse,
  type SettingValues,
} from '@lms/proto';
import { LmsError } from '@lms/errors';
import { settingOverrides } from '../machine-rules.ts';
import type { Machines } from '../machines.ts';
import type { Installation } from './installation.ts';
import { checkSettings } from './setting-checks.ts';
import { effectiveSettings, withChange } from './setting-rules.ts';

const MACHINES_PER_MESSAGE = 200;

export interface PreviewParts {
  readonly machines: Pick<Machines, 'all' | 'require'>;
  readonly installation: Pick<Installation, 'defaults'>;
}

export async function* previewSettings(
  { machines, installation }: PreviewParts,
  { idOrName, change }: PreviewSettingsRequest,
  now: Date,
): AsyncGenerator<PreviewSettingsResponse> {
  if (change === undefined) throw new LmsError('INVALID_ARGUMENT', 'no settings were given', { field: 'change' });
  const { defaults } = installation;
  const previews: MachineSettingsPreview[] = [];
  const preview = (machine: Machine, after: ReplicationSettings): void => {
    const { machineId, name, agentConnected, settings: before } = machine;
    if (before === undefined || isSame(before, after)) return;
    previews.push({ machineId, name, agentConnected, before, after });
  };
  if (idOrName === '') {
    const changed = checked(withChange(defaults, change));
    for (const machine of machines.all(now)) preview(machine, effectiveSettings(changed, settingOverrides(machine)));
  } else {
    const machine = machines.require(idOrName, now);
    preview(machine, effectiveSettings(defaults, checked(withChange(settingOverrides(machine), change))));
  }
  for (let first = 0; first < previews.length; first += MACHINES_PER_MESSAGE) {
    yield { machines: previews.slice(first, first + MACHINES_PER_MESSAGE) };
    await Promise.resolve();
  }
}

function checked(values: SettingValues): SettingValues {
  checkSettings(values);
  return values;
}

function isSame(before: ReplicationSettings, after: ReplicationSettings): boolean {
  const encode = (settings: ReplicationSettings): Buffer => Buffer.from(ReplicationSettings.encode(settings).finish());
  return encode(before).equals(encode(after));
}
