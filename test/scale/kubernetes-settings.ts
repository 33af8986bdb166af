/** What the chart tells staging-controller; the limits are for a cluster that is there for this alone. */
export function kubernetesSettings(namespace: string, requestsPerSecond: number) {
  return {
    namespace,
    instance: 'scale',
    fullName: 'lms',
    managerUrl: 'https://gateway.example',
    replicationServer: { image: 'registry.example/replication-server:1' },
    networkPolicy: {},
    exposure: { mode: 'router', advertise: { host: 'stream.example' } },
    limits: { requestsPerSecond, burst: requestsPerSecond, concurrentMachines: 16 },
  };
}
