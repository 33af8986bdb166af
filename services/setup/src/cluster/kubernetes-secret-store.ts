/** Secrets of one namespace, by the API server. */
import { CoreV1Api, type KubeConfig, type V1Secret } from '@kubernetes/client-node';
import type { SecretData, SecretType } from '../secrets/decision.ts';
import type { SecretStore, StoredSecret } from '../secrets/ensure-secrets.ts';
import { fromApi, isMissing } from './api-failure.ts';
import { MANAGED_BY_LABEL, MANAGER_NAME, labelsOf } from './labels.ts';

export class KubernetesSecretStore implements SecretStore {
  readonly #api: CoreV1Api;
  readonly #namespace: string;
  readonly #instance: string;

  constructor(config: KubeConfig, namespace: string, instance: string) {
    this.#api = config.makeApiClient(CoreV1Api);
    this.#namespace = namespace;
    this.#instance = instance;
  }

  async read(name: string): Promise<StoredSecret | null> {
    try {
      const secret = await this.#api.readNamespacedSecret({ name, namespace: this.#namespace });
      return {
        data: decode(secret.data),
        isOurs: secret.metadata?.labels?.[MANAGED_BY_LABEL] === MANAGER_NAME,
        revision: secret.metadata?.resourceVersion ?? '',
      };
    } catch (thrown) {
      if (isMissing(thrown)) return null;
      throw fromApi(thrown, `reading of Secret ${name}`);
    }
  }

  async create(name: string, type: SecretType, data: SecretData): Promise<void> {
    const body = this.#manifest(name, type, data);
    try {
      await this.#api.createNamespacedSecret({ namespace: this.#namespace, body });
    } catch (thrown) {
      throw fromApi(thrown, `creation of Secret ${name}`);
    }
  }

  /** Only while it is what was read: the server compares the revision. */
  async replace(name: string, type: SecretType, data: SecretData, revision: string): Promise<void> {
    const body = this.#manifest(name, type, data, revision);
    try {
      await this.#api.replaceNamespacedSecret({ name, namespace: this.#namespace, body });
    } catch (thrown) {
      throw fromApi(thrown, `replacement of Secret ${name}`);
    }
  }

  #manifest(name: string, type: SecretType, data: SecretData, resourceVersion?: string): V1Secret {
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, labels: labelsOf(this.#instance), ...(resourceVersion !== undefined && { resourceVersion }) },
      type,
      data: Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      ),
    };
  }
}

function decode(data: Readonly<Record<string, string>> | undefined): SecretData {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
  );
}
