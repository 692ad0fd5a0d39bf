// Who may import whom. This is an allow-list: what is not named is forbidden. scripts/import-walls.mjs
// runs it and also fails when a folder has no line here, or a line or a wall has nothing left to hold.

const VOCABULARY = ['base', 'protocol'];
const KERNEL = [
  'engine/sim',
  'engine/packet',
  'engine/link',
  'engine/netfilter',
  'engine/conntrack',
  'engine/ip',
  'engine/socket',
  'engine/ipvs',
];
const CODEMIRROR = ['commands', 'lang-yaml', 'language', 'lint', 'search', 'state', 'view'].map((name) => `@codemirror/${name}`);
const REACT = ['react', 'react-dom', '@ariakit/react', 'lucide-react', '@tanstack/react-virtual'];

/**
 * For each folder of src, or single file: which others it may import besides itself, which of them only its tests
 * may, which npm packages, and whether it may use node.
 * @type {Record<string, { from: readonly string[], testsFrom?: readonly string[], packages?: readonly string[], node?: boolean }>}
 */
const MAY_IMPORT = {
  base: { from: [] },
  protocol: { from: ['base'] },

  'engine/sim': { from: VOCABULARY },
  'engine/packet': { from: VOCABULARY },
  'engine/link': { from: [...VOCABULARY, 'engine/sim', 'engine/packet'] },
  'engine/netfilter': { from: [...VOCABULARY, 'engine/sim', 'engine/packet', 'engine/link'] },
  'engine/conntrack': { from: [...VOCABULARY, 'engine/sim', 'engine/packet', 'engine/link', 'engine/netfilter'] },
  'engine/ip': { from: [...VOCABULARY, ...KERNEL.slice(0, 5)] },
  'engine/socket': { from: [...VOCABULARY, ...KERNEL.slice(0, 6)] },
  'engine/workload': { from: [...VOCABULARY, ...KERNEL] },
  'engine/k8s': { from: VOCABULARY },
  'engine/control-plane': { from: [...VOCABULARY, 'engine/k8s'] },
  // It writes rules and never sees a packet: only the types of rules come from netfilter.
  'engine/kube-proxy': { from: [...VOCABULARY, 'engine/k8s', 'engine/netfilter', 'engine/ipvs'], testsFrom: ['engine/sim'] },
  'engine/ipvs': { from: [...VOCABULARY, ...KERNEL.slice(0, 6)], testsFrom: ['engine/socket'] },
  'engine/cni': { from: [...VOCABULARY, ...KERNEL] },
  // The kube-proxy of a node: its proxier's words become rules, sets and virtual servers of the node's kernel.
  'engine/node-proxy': { from: [...VOCABULARY, ...KERNEL, 'engine/control-plane', 'engine/cni', 'engine/kube-proxy'] },
  'engine/node-rules.ts': {
    from: [...VOCABULARY, ...KERNEL, 'engine/control-plane', 'engine/cni', 'engine/kube-proxy', 'engine/node-proxy'],
  },
  'engine/cluster-network.ts': {
    from: [...VOCABULARY, ...KERNEL, 'engine/workload', 'engine/control-plane', 'engine/cni', 'engine/kube-proxy', 'engine/node-rules.ts'],
  },
  'engine/outcomes.ts': { from: [...VOCABULARY, 'engine/sim'] },
  // One node without a cluster around it: cases, dumps, generated rulesets.
  'engine/single-node': { from: [...VOCABULARY, ...KERNEL, 'engine/k8s', 'engine/kube-proxy', 'engine/outcomes.ts'] },
  'engine/targets.ts': { from: [...VOCABULARY, 'engine/cluster-network.ts'] },
  'engine/world.ts': {
    testsFrom: ['scenario', 'explain'],
    from: [
      ...VOCABULARY,
      ...KERNEL,
      'engine/workload',
      'engine/control-plane',
      'engine/cni',
      'engine/cluster-network.ts',
      'engine/targets.ts',
      'engine/outcomes.ts',
    ],
  },
  // The only public door of the engine.
  'engine/index.ts': {
    from: [...VOCABULARY, 'engine/packet', 'engine/control-plane', 'engine/kube-proxy', 'engine/single-node', 'engine/world.ts'],
  },
  // Tests of whole worlds: each tells what happens to a packet from end to end.
  'engine/stories': { from: [...VOCABULARY, 'engine/world.ts', 'scenario'], node: true },
  'engine/kernel-recordings': { from: [...VOCABULARY, ...KERNEL, 'engine/workload', 'engine/cni', 'engine/world.ts'] },

  explain: { from: VOCABULARY },
  'linux-lab': { from: VOCABULARY, testsFrom: ['engine/index.ts', 'scenario'] },
  scenario: { from: [...VOCABULARY, 'engine/k8s', 'engine/control-plane'], packages: ['yaml', 'zod', 'fflate'] },
  worker: { from: [...VOCABULARY, 'engine/index.ts', 'scenario', 'linux-lab'] },
  widgets: { from: ['base'], packages: REACT },
  lab: {
    from: [...VOCABULARY, 'explain', 'scenario', 'worker', 'widgets'],
    packages: [
      ...REACT,
      ...CODEMIRROR,
      '@lezer/highlight',
      '@xyflow/react',
      'd3-scale',
      'd3-shape',
      'zustand',
      'xstate',
      '@xstate/react',
      'fflate',
      'yaml',
    ],
  },
  'main.tsx': {
    from: ['lab'],
    packages: ['react', 'react-dom', '@fontsource-variable/source-sans-3', '@fontsource-variable/jetbrains-mono'],
  },
  // The engine against the kernel of this machine; scripts/test-kernel.mjs runs it.
  'kernel-comparison': {
    from: [...VOCABULARY, 'engine/index.ts', 'explain', 'scenario', 'linux-lab'],
    packages: ['yaml'],
    node: true,
  },
  cli: { from: [...VOCABULARY, 'engine/index.ts', 'explain', 'scenario', 'linux-lab'], node: true },
};

/** What tests may import besides. */
const TEST_PACKAGES = ['vitest', 'fast-check'];

const TEST = '\\.test\\.tsx?$';
const quote = (/** @type {string} */ text) => text.replaceAll('.', '\\.').replaceAll('/', '\\/');
const place = (/** @type {string} */ name) =>
  /\.tsx?$/.test(name) ? `^src\\/${quote(name.replace(/\.tsx?$/, ''))}(\\.test)?\\.tsx?$` : `^src\\/${quote(name)}\\/`;
const testsOf = (/** @type {string} */ name) =>
  /\.tsx?$/.test(name) ? `^src\\/${quote(name.replace(/\.tsx?$/, ''))}${TEST}` : `^src\\/${quote(name)}\\/.*${TEST}`;
const packages = (/** @type {readonly string[]} */ names) => names.map((name) => `(^|\\/)node_modules\\/(@types\\/)?${quote(name)}\\/`);

const folderRules = Object.entries(MAY_IMPORT).flatMap(([name, { from, testsFrom = [], packages: named = [], node = false }]) => [
  {
    name: `${name} imports only ${from.length === 0 ? 'itself' : from.join(', ')}`,
    severity: 'error',
    from: { path: place(name), pathNot: TEST },
    to: { path: '^src\\/', pathNot: [name, ...from].map(place) },
  },
  {
    name: `tests of ${name} import only it and ${[...from, ...testsFrom].join(', ')}`,
    severity: 'error',
    from: { path: testsOf(name) },
    to: { path: '^src\\/', pathNot: [name, ...from, ...testsFrom].map(place) },
  },
  {
    name: `${name} uses ${named.length === 0 ? 'no package' : `no package but ${named.join(', ')}`}`,
    severity: 'error',
    from: { path: place(name), pathNot: TEST },
    to: { path: 'node_modules', pathNot: packages(named) },
  },
  {
    name: `tests of ${name} use no other package than it and the test tools`,
    severity: 'error',
    from: { path: testsOf(name) },
    to: { path: 'node_modules', pathNot: packages([...named, ...TEST_PACKAGES]) },
  },
  ...(node
    ? []
    : [
        {
          name: `${name} does not use node`,
          severity: 'error',
          from: { path: place(name), pathNot: TEST },
          to: { dependencyTypes: ['core'] },
        },
      ]),
]);

/** The walls that teach as well as protect; the lines above imply them, but these have names. */
const walls = [
  {
    name: 'wall: the screen never imports the engine, it speaks the protocol to a client',
    severity: 'error',
    from: { path: '^src\\/(lab|widgets)\\/' },
    to: { path: '^src\\/engine\\/' },
  },
  {
    name: 'wall: netfilter never imports ip; a verdict is what ip acts on',
    severity: 'error',
    from: { path: '^src\\/engine\\/netfilter\\/' },
    to: { path: '^src\\/engine\\/ip\\/' },
  },
  {
    name: 'wall: link never imports netfilter; br_netfilter is a hook that the world plugs into the bridge',
    severity: 'error',
    from: { path: '^src\\/engine\\/link\\/' },
    to: { path: '^src\\/engine\\/netfilter\\/' },
  },
  {
    name: 'wall: kube-proxy writes rules and never sees a packet; of netfilter it knows how rules look (model.ts) only',
    severity: 'error',
    from: { path: '^src\\/engine\\/kube-proxy\\/', pathNot: TEST },
    to: { path: '^src\\/engine\\/(netfilter|ipvs)\\/', pathNot: '\\/model\\.ts$' },
  },
];

const general = [
  { name: 'every import resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  { name: 'nothing imports a test', severity: 'error', from: { pathNot: TEST }, to: { path: TEST } },
];

module.exports = {
  forbidden: [...walls, ...folderRules, ...general],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
  // For scripts/import-walls.mjs, which takes it off before dependency-cruiser sees the rest.
  walls,
  folders: Object.fromEntries(Object.keys(MAY_IMPORT).map((name) => [name, place(name)])),
};
