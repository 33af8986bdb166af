/** What an operator has set for the installation as a whole: defaults of all machines, and what replication servers need. */
import { LmsError, toLmsError } from '@lms/errors';
import type { StateBucket } from '@lms/events';
import {
  InstallationSettings,
  type ReplicationServerSettings,
  type GetSettingsResponse,
  type ReplicationSettings,
  type SettingValues,
  type StagingProxyChange,
  type UpdateSettingsRequest,
} from '@lms/proto';
import type { Logger } from '@lms/telemetry';
import type { Facts } from '../facts.ts';
import type { PasswordSeal } from './password-seal.ts';
import { checkBandwidth, checkSettings } from './setting-checks.ts';
import { effectiveSettings, withChange } from './setting-rules.ts';
import { SETTINGS_KEY, type StoredSettings } from './stored-settings.ts';

/** In facts, where others have the id of a machine. */
const SUBJECT = 'installation';
const NOTHING: StoredSettings = { settings: InstallationSettings.fromPartial({}), sealedProxyPassword: null };

export interface InstallationParts {
  readonly bucket: Pick<StateBucket<StoredSettings>, 'get' | 'modify' | 'onChange'>;
  readonly seal: PasswordSeal;
  readonly facts: Facts;
  readonly logger: Logger;
}

export class Installation {
  readonly #parts: InstallationParts;

  constructor(parts: InstallationParts) {
    this.#parts = parts;
  }

  /** 0: nothing was ever set. */
  get revision(): bigint {
    return BigInt(this.#parts.bucket.get(SETTINGS_KEY)?.revision ?? 0);
  }

  get defaults(): SettingValues | undefined {
    return this.#stored().settings.defaults;
  }

  /** What holds for a machine with these overrides. */
  effective(overrides?: SettingValues): ReplicationSettings {
    return effectiveSettings(this.defaults, overrides);
  }

  /** Without the proxy's password. */
  show(): GetSettingsResponse {
    return {
      settings: this.#stored().settings,
      effectiveDefaults: this.effective(),
      revision: this.revision,
    };
  }

  /** What replication servers are told, with the proxy's password. */
  forReplicationServers(): ReplicationServerSettings {
    const { settings, sealedProxyPassword } = this.#stored();
    return {
      bandwidth: settings.replicationServerBandwidth,
      proxy: settings.stagingProxy,
      proxyPassword: sealedProxyPassword === null ? '' : this.#open(sealedProxyPassword),
    };
  }

  /** ABORTED when they were changed meanwhile. */
  async update(request: UpdateSettingsRequest): Promise<GetSettingsResponse> {
    const { expectedRevision } = request;
    checkUpdate(request);
    let changed = false;
    let attempts = 0;
    const entry = await this.#parts.bucket.modify(SETTINGS_KEY, (current) => {
      attempts += 1;
      // A second attempt means that somebody was faster.
      if (expectedRevision !== undefined && (attempts > 1 || expectedRevision !== this.revision)) {
        throw new LmsError('ABORTED', 'the settings were changed meanwhile', { action: 'read them again and repeat' });
      }
      const next = this.#changed(current ?? NOTHING, request);
      changed = !isSame(current ?? NOTHING, next);
      return changed || current === null ? next : current;
    });
    if (changed) {
      const fact = { $case: 'settingsChanged', value: { settings: entry.value.settings } } as const;
      this.#parts.facts.tell(SUBJECT, fact, `settings.${SUBJECT}`, entry.revision);
    }
    return this.show();
  }

  /** Called after each change, here or by another registry. Returns the way to end it. */
  onChange(listener: () => void): () => void {
    return this.#parts.bucket.onChange(listener);
  }

  #stored(): StoredSettings {
    return this.#parts.bucket.get(SETTINGS_KEY)?.value ?? NOTHING;
  }

  #changed({ settings, sealedProxyPassword }: StoredSettings, request: UpdateSettingsRequest): StoredSettings {
    const { defaults, stagingProxy, removeStagingProxy } = request;
    const { replicationServerBandwidth, removeReplicationServerBandwidth } = request;
    const next = { ...settings };
    let sealed = sealedProxyPassword;
    if (defaults !== undefined) {
      next.defaults = withChange(settings.defaults, defaults);
      checkSettings(next.defaults);
    }
    if (replicationServerBandwidth !== undefined) next.replicationServerBandwidth = replicationServerBandwidth;
    if (removeReplicationServerBandwidth) next.replicationServerBandwidth = undefined;
    if (stagingProxy?.proxy !== undefined) {
      sealed = this.#sealed(stagingProxy, sealedProxyPassword);
      next.stagingProxy = { ...stagingProxy.proxy, passwordSet: sealed !== null };
    }
    if (removeStagingProxy) {
      next.stagingProxy = undefined;
      sealed = null;
    }
    return { settings: next, sealedProxyPassword: sealed };
  }

  /** The same password sealed anew would look like a change. */
  #sealed({ proxy, password }: StagingProxyChange, before: string | null): string | null {
    if (proxy?.passwordSet !== true) return null;
    if (password === '') return before;
    return before !== null && this.#open(before) === password ? before : this.#parts.seal.seal(password);
  }

  #open(sealed: string): string {
    try {
      return this.#parts.seal.open(sealed);
    } catch (thrown) {
      const { code, message } = toLmsError(thrown);
      this.#parts.logger.error({ code }, message);
      return '';
    }
  }
}

function checkUpdate({ stagingProxy, replicationServerBandwidth }: UpdateSettingsRequest): void {
  if (replicationServerBandwidth !== undefined) {
    checkBandwidth('replicationServerBandwidth', replicationServerBandwidth);
  }
  if (stagingProxy === undefined) return;
  const { url = '', username = '' } = stagingProxy.proxy ?? {};
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol) || parsed.username !== '') {
    throw new LmsError('INVALID_ARGUMENT', 'the proxy is an address such as http://proxy.example.com:3128', {
      field: 'stagingProxy.url',
      action: 'give user and password on their own',
    });
  }
  if (username === '' && stagingProxy.proxy?.passwordSet === true) {
    throw new LmsError('INVALID_ARGUMENT', 'a password needs a user', { field: 'stagingProxy.username' });
  }
}

function isSame(before: StoredSettings, after: StoredSettings): boolean {
  const encode = ({ settings }: StoredSettings): Buffer => Buffer.from(InstallationSettings.encode(settings).finish());
  return before.sealedProxyPassword === after.sealedProxyPassword && encode(before).equals(encode(after));
}
