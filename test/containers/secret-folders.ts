// Secrets as folders of files, the way a kubelet shows them to a container.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecretStore } from '@lms/setup';

type StoredSecret = Awaited<ReturnType<SecretStore['read']>>;
type SecretData = Parameters<SecretStore['create']>[2];

export class SecretFolders implements SecretStore {
  readonly #folder: string;
  readonly #secrets = new Map<string, SecretData>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  path(secret: string): string {
    return join(this.#folder, secret);
  }

  value(secret: string, key: string): string {
    const value = this.#secrets.get(secret)?.[key];
    if (value === undefined) throw new Error(`there is no ${key} in ${secret}`);
    return value;
  }

  read(name: string): Promise<StoredSecret> {
    const data = this.#secrets.get(name);
    return Promise.resolve(data === undefined ? null : { data, isOurs: true, revision: '1' });
  }

  create(name: string, _type: string, data: SecretData): Promise<void> {
    this.#secrets.set(name, data);
    mkdirSync(this.path(name), { recursive: true });
    for (const [key, value] of Object.entries(data)) writeFileSync(join(this.path(name), key), value);
    return Promise.resolve();
  }

  replace(name: string): Promise<void> {
    return Promise.reject(new Error(`${name} was just made, and is not replaced`));
  }
}
