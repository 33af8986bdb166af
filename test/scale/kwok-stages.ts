// What KWOK says in place of kubelets: a node is ready at once, a pod that has a node runs at once and has an address, and
// one that is to end has ended.

const NOW = '{{ Now | Quote }}';
const POD_ADDRESS =
  '{{ index (PodIPsWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace) 0 | Quote }}';

const NODE_READY = {
  name: 'node-ready',
  spec: {
    resourceRef: { apiGroup: 'v1', kind: 'Node' },
    selector: {
      matchExpressions: [
        { key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: 'NotIn', values: ['True'] },
      ],
    },
    next: {
      statusTemplate: `conditions:
- { type: Ready, status: "True", reason: Fake, lastHeartbeatTime: ${NOW}, lastTransitionTime: ${NOW} }
`,
    },
  },
};

const POD_RUNNING = {
  name: 'pod-running',
  spec: {
    resourceRef: { apiGroup: 'v1', kind: 'Pod' },
    selector: {
      matchExpressions: [
        { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' },
        { key: '.status.phase', operator: 'In', values: ['Pending'] },
      ],
    },
    next: {
      statusTemplate: `phase: Running
startTime: ${NOW}
podIP: ${POD_ADDRESS}
podIPs: [{ ip: ${POD_ADDRESS} }]
conditions:
- { type: Initialized, status: "True", lastTransitionTime: ${NOW} }
- { type: Ready, status: "True", lastTransitionTime: ${NOW} }
- { type: ContainersReady, status: "True", lastTransitionTime: ${NOW} }
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state: { running: { startedAt: ${NOW} } }
{{ end }}
`,
    },
  },
};

const POD_ENDED = {
  name: 'pod-ended',
  spec: {
    resourceRef: { apiGroup: 'v1', kind: 'Pod' },
    selector: { matchExpressions: [{ key: '.metadata.deletionTimestamp', operator: 'Exists' }] },
    next: { finalizers: { empty: true }, delete: true },
  },
};

/** The text of KWOK's configuration file. */
export function kwokStages(): string {
  const stages = [NODE_READY, POD_RUNNING, POD_ENDED].map(({ name, spec }) => ({
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'Stage',
    metadata: { name },
    spec,
  }));
  return stages.map((stage) => JSON.stringify(stage)).join('\n---\n');
}
