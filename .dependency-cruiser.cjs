// Layers, held by a linter: libs never import services; services never import each other; no cycles; no deep imports;
// cores do no I/O; and the simulation runs the very cores that the two mains run.

const TESTS = '(\\.test\\.ts$|/test/|^test/)';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment:
        'Two files that need each other at run time are one concept, or miss a third. Types alone may point back.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'libs-know-no-services',
      comment: 'A lib is small, has one subject, and knows nothing of services.',
      severity: 'error',
      from: { path: '^(libs|proto)/' },
      to: { path: '^services/' },
    },
    {
      name: 'services-are-strangers',
      comment: 'Services talk gRPC, NATS and REST. Only the manager (all in one process) may import its siblings.',
      severity: 'error',
      from: { path: '^services/([^/]+)/', pathNot: '^services/(manager|cli)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'cli-knows-only-the-manager',
      severity: 'error',
      from: { path: '^services/cli/' },
      to: { path: '^services/', pathNot: '^services/(cli|manager)/' },
    },
    {
      name: 'manager-imports-the-managers-services-only',
      comment: 'Agents and replication servers are processes of their own: they know the manager through 443.',
      severity: 'error',
      from: { path: '^services/manager/', pathNot: TESTS },
      to: { path: '^services/(agent|cli|replication-server)/' },
    },
    {
      name: 'no-deep-imports',
      comment: 'A package is imported through what its package.json exports.',
      severity: 'error',
      from: { path: '^(libs|services)/([^/]+)/' },
      to: {
        path: '^((libs|services)/[^/]+|proto)/',
        pathNot: [
          '^$1/$2/',
          '^(libs|services)/[^/]+/src/index\\.ts$',
          '^proto/index\\.ts$',
          // The file for `node --import`, which has to load before everything else.
          '^libs/telemetry/src/preload\\.ts$',
        ],
      },
    },
    {
      name: 'product-knows-no-tests',
      severity: 'error',
      from: { path: '^(libs|services|proto)/', pathNot: TESTS },
      to: { path: TESTS },
    },
    {
      name: 'product-needs-no-development-packages',
      severity: 'error',
      from: { path: '^(libs|services|proto)/', pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev'] },
    },
    {
      name: 'cores-do-no-input-or-output',
      comment: 'Cores are written against small interfaces, so that one seeded simulation can run them.',
      severity: 'error',
      from: { path: '^services/(agent|replication-server)/src/core/', pathNot: TESTS },
      to: {
        path: '^(node:)?(fs|fs/promises|net|tls|http|https|http2|dgram|child_process|worker_threads|timers|timers/promises|os|cluster)$',
      },
    },
    {
      name: 'cores-know-no-kernel',
      severity: 'error',
      from: { path: '^services/agent/src/core/', pathNot: TESTS },
      to: { path: '^(services/agent/src/(?!core/)|libs/linux/)' },
    },
    {
      name: 'simulation-runs-cores-not-kernels',
      comment: 'What the simulation replaces is the world (disks, network, clock), never a part of the product.',
      severity: 'error',
      from: { path: '^test/(simulation|faults)/' },
      to: { path: '^(services/agent/src/kernel/|libs/linux/)' },
    },
  ],
  required: [
    {
      name: 'the-agent-runs-the-core',
      severity: 'error',
      module: { path: '^services/agent/src/main\\.ts$' },
      to: { path: '^services/agent/src/core/index\\.ts$', reachable: true },
    },
    {
      name: 'the-replication-server-runs-the-core',
      severity: 'error',
      module: { path: '^services/replication-server/src/main\\.ts$' },
      to: { path: '^services/replication-server/src/core/session\\.ts$', reachable: true },
    },
    {
      name: 'the-simulation-runs-the-agents-core',
      severity: 'error',
      module: { path: '^test/simulation/main\\.ts$' },
      to: { path: '^services/agent/src/core/index\\.ts$', reachable: true },
    },
    {
      name: 'the-simulation-runs-the-replication-servers-core',
      severity: 'error',
      module: { path: '^test/simulation/main\\.ts$' },
      to: { path: '^services/replication-server/src/core/session\\.ts$', reachable: true },
    },
  ],
  options: {
    // Integration tests use `await using`, which the parser below does not know yet. They are outside every layer; the
    // price is that only oxlint looks for cycles among them.
    doNotFollow: { path: ['node_modules', '^test/integration/'] },
    exclude: { path: '^proto/generated/' },
    // TypeScript 7 has no JavaScript API for other tools to parse with; swc reads the same language.
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
