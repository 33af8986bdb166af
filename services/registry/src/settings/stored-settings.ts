/** The installation's settings as the state holds them, under one key. */
import type { StateCodec } from '@lms/events';
import { InstallationSettings } from '@lms/proto';
import { z } from 'zod';

export const SETTINGS_KEY = 'installation';

export interface StoredSettings {
  readonly settings: InstallationSettings;
  /** See `PasswordSeal`. Null: the proxy needs none, or there is no proxy. */
  readonly sealedProxyPassword: string | null;
}

const STORED = z.object({ settings: z.unknown(), sealedProxyPassword: z.string().nullable() });

export const STORED_SETTINGS: StateCodec<StoredSettings> = {
  schemaVersion: 1,
  encode: ({ settings, sealedProxyPassword }) => ({
    settings: InstallationSettings.toJSON(settings),
    sealedProxyPassword,
  }),
  decode: (stored) => {
    const { settings, sealedProxyPassword } = STORED.parse(stored);
    return { settings: InstallationSettings.fromJSON(settings), sealedProxyPassword };
  },
};
