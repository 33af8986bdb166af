/**
 * Replication Settings: what was set for a machine, else what was set for all, else what the product brings. No I/O.
 *
 * Only what an operator has set is stored, so that a machine follows a default that is changed later.
 */
import { createHash } from 'node:crypto';
import { LmsError } from '@lms/errors';
import { BlockStreamUse, Compression, SettingValues, type ReplicationSettings, type SettingsChange } from '@lms/proto';

const HOUR_SECONDS = 3_600;
const DAY_SECONDS = 86_400;

type Complete = { readonly [Name in SettingName]: NonNullable<SettingValues[Name]> };
export type SettingName = Exclude<keyof SettingValues, 'floorBytes' | 'blockStreamPublic' | 'blockStreamPrivate'>;

export const PRODUCT_SETTINGS: Complete = {
  pointIntervalSeconds: 10,
  freezeIntervalSeconds: 60,
  freezing: true,
  compression: Compression.ADAPTIVE,
  retention: {
    rows: [
      { everySeconds: 600, keepSeconds: HOUR_SECONDS },
      { everySeconds: HOUR_SECONDS, keepSeconds: DAY_SECONDS },
      { everySeconds: DAY_SECONDS, keepSeconds: 7 * DAY_SECONDS },
    ],
  },
  blockStreamUse: BlockStreamUse.ANY,
  bandwidth: { schedule: [], timeZone: 'UTC' },
};

const NOTHING = SettingValues.fromPartial({});
const NAMES = [
  'pointIntervalSeconds',
  'freezeIntervalSeconds',
  'freezing',
  'compression',
  'retention',
  'floorBytes',
  'blockStreamUse',
  'blockStreamPublic',
  'blockStreamPrivate',
  'bandwidth',
] as const satisfies readonly (keyof SettingValues)[];

export function effectiveSettings(
  defaults: SettingValues = NOTHING,
  overrides: SettingValues = NOTHING,
): ReplicationSettings {
  const floorBytes = overrides.floorBytes ?? defaults.floorBytes;
  return {
    pointIntervalSeconds:
      overrides.pointIntervalSeconds ?? defaults.pointIntervalSeconds ?? PRODUCT_SETTINGS.pointIntervalSeconds,
    freezeIntervalSeconds:
      overrides.freezeIntervalSeconds ?? defaults.freezeIntervalSeconds ?? PRODUCT_SETTINGS.freezeIntervalSeconds,
    freezing: overrides.freezing ?? defaults.freezing ?? PRODUCT_SETTINGS.freezing,
    compression: overrides.compression || defaults.compression || PRODUCT_SETTINGS.compression,
    retention: (overrides.retention ?? defaults.retention ?? PRODUCT_SETTINGS.retention).rows,
    ...(floorBytes === undefined ? {} : { floorBytes }),
    blockStream: {
      use: overrides.blockStreamUse || defaults.blockStreamUse || PRODUCT_SETTINGS.blockStreamUse,
      public: overrides.blockStreamPublic ?? defaults.blockStreamPublic,
      private: overrides.blockStreamPrivate ?? defaults.blockStreamPrivate,
    },
    bandwidth: overrides.bandwidth ?? defaults.bandwidth ?? PRODUCT_SETTINGS.bandwidth,
  };
}

/** INVALID_ARGUMENT when it takes away something that there is not. */
export function withChange(values: SettingValues = NOTHING, { set = NOTHING, unset }: SettingsChange): SettingValues {
  const changed = new Map(setEntries(values));
  for (const [name, value] of setEntries(set)) changed.set(name, value);
  for (const name of unset) changed.delete(requireName(name));
  return { ...NOTHING, ...(Object.fromEntries(changed) as Partial<SettingValues>) };
}

/** What was stored when `settings` still said it all: what differed from the product's own was set by somebody. */
export function overridesOf(stored: ReplicationSettings | undefined): SettingValues {
  if (stored === undefined) return NOTHING;
  const { pointIntervalSeconds, freezeIntervalSeconds, freezing, compression, floorBytes } = stored;
  return SettingValues.fromPartial({
    ...(pointIntervalSeconds !== PRODUCT_SETTINGS.pointIntervalSeconds && { pointIntervalSeconds }),
    ...(freezeIntervalSeconds !== PRODUCT_SETTINGS.freezeIntervalSeconds && { freezeIntervalSeconds }),
    ...(freezing !== PRODUCT_SETTINGS.freezing && { freezing }),
    ...(compression !== PRODUCT_SETTINGS.compression && { compression }),
    ...(floorBytes !== undefined && { floorBytes }),
  });
}

/** The same for the same content, in every registry. */
export function contentRevision(values: SettingValues): bigint {
  return createHash('sha256').update(SettingValues.encode(values).finish()).digest().readBigUInt64LE() >> 1n;
}

function setEntries(values: SettingValues): (readonly [string, unknown])[] {
  const isUnspecified = (name: string, value: unknown): boolean =>
    (name === 'compression' || name === 'blockStreamUse') && value === 0;
  return NAMES.map((name) => [name, values[name]] as const).filter(
    ([name, value]) => value !== undefined && !isUnspecified(name, value),
  );
}

function requireName(name: string): string {
  if (NAMES.some((known) => known === name)) return name;
  throw new LmsError('INVALID_ARGUMENT', `there is no setting ${name}`, { field: 'unset' });
}
