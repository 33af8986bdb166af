// A real API server, with the namespace of the release under Pod Security "restricted".

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CoreV1Api } from '@kubernetes/client-node';
import { runCommand, type CommandResult } from '../../harness/command.ts';
import { KubeApiServer } from '../../harness/kube-api-server.ts';
import { kubeProgram } from '../../harness/kube-programs.ts';
import { TemporaryFolder } from '../../integration/harness/temporary-folder.ts';
import { NAMESPACE, type ChartObject } from './chart.ts';

export class ChartCluster implements AsyncDisposable {
  readonly server: KubeApiServer;
  readonly folder: TemporaryFolder;

  private constructor(server: KubeApiServer, folder: TemporaryFolder) {
    this.server = server;
    this.folder = folder;
  }

  static async start(): Promise<ChartCluster> {
    const folder = await TemporaryFolder.create();
    const cluster = new ChartCluster(await KubeApiServer.start(), folder);
    await writeFile(cluster.kubeconfig, cluster.server.adminKubeconfig(NAMESPACE), { mode: 0o600 });
    await cluster.core.createNamespace({
      body: { metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
    });
    return cluster;
  }

  get kubeconfig(): string {
    return join(this.folder.path, 'kubeconfig');
  }

  get core(): CoreV1Api {
    return this.server.adminConfig(NAMESPACE).makeApiClient(CoreV1Api);
  }

  kubectl(parameters: readonly string[], input = ''): Promise<CommandResult> {
    return runCommand(kubeProgram('kubectl'), [...parameters, '--namespace', NAMESPACE], {
      input,
      environment: { KUBECONFIG: this.kubeconfig },
    });
  }

  /** What the server says to these objects; nothing is kept with `dryRun`. */
  apply(objects: readonly unknown[], options: { readonly dryRun: boolean }): Promise<CommandResult> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    const dryRun = options.dryRun ? ['--dry-run=server'] : [];
    return this.kubectl(['apply', '--server-side', '--filename', '-', ...dryRun], JSON.stringify(list));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** Kinds of other people, which the API server of the tests does not have. */
export function isBuiltIn({ apiVersion }: ChartObject): boolean {
  return !/^(cert-manager\.io|gateway\.networking\.k8s\.io|monitoring\.coreos\.com)\//.test(apiVersion);
}
