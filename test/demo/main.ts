import { once } from 'node:events';
import { styleText } from 'node:util';
import type { V1Job } from '@kubernetes/client-node';
import { readArguments } from '../../tools/arguments.ts';
import { chooseBinaries } from '../../tools/control-plane/binary-source.ts';
import { createProcessGroup } from '../../tools/control-plane/process-group.ts';
import { progressOn } from '../../tools/control-plane/progress.ts';
import { recordedJob } from '../support/builders/recorded-jobs.ts';
import { type Cluster, SERVER_NAME, startCluster } from '../support/cluster/cluster.ts';
import { type Daemon, startDaemon } from '../support/cluster/daemon.ts';
import { createConfiguration, startController } from '../support/cluster/terraform-controller.ts';
import { presentedCertificate } from '../support/cluster/tls-client.ts';
import { eventually } from '../support/eventually.ts';
import {
  describeChain,
  describeExpectation,
  describeJob,
  describeRegistration,
  type Expectation,
  title,
} from './report.ts';

const TEAM = 'team-a';
const CONFIGURATION = 'bucket';
const print = (...lines: string[]) => process.stdout.write(`${lines.join('\n')}\n`);

const { keep: isKept = false, 'with-controller': hasController = false } = readArguments(
  `npm run demo [-- --keep --with-controller]

Shows on a real API server that the daemon caps a Job. Exits with code 0 only if all checks passed.

  --keep             leave the control plane and the daemon running until Ctrl-C
  --with-controller  add the real terraform-controller, and apply a Configuration`,
  { options: { keep: { type: 'boolean' }, 'with-controller': { type: 'boolean' } } },
).values;

const start = performance.now();
print(title('A control plane: etcd and kube-apiserver'));
// Binaries that are missing are downloaded or built, which takes minutes. The progress goes to stdout, like the rest of
// the demo.
const progress = progressOn(process.stdout);
const cluster = await startControlPlane().catch((error: unknown) => {
  // Expected errors, such as a missing Go, have a message with the next step, so the stack is not printed.
  print(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
const controllers = await createProcessGroup();
let daemon: Daemon | undefined;
try {
  print(`  ${cluster.url}, up after ${seconds()}`);
  daemon = await startDaemon({ kubeconfig: cluster.daemonKubeconfig });
  const expectations = await show(cluster, daemon);
  if (hasController) expectations.push(await showController(cluster));
  print(title('The checks'), ...expectations.map(describeExpectation));
  const isAllWell = expectations.every(({ holds }) => holds);
  if (!isAllWell) process.exitCode = 1;
  print(
    '',
    `${isAllWell ? styleText('green', 'All checks passed') : styleText('red', 'A check failed')}, in ${seconds()}.`,
    ...(isKept ? [] : ['Next: npm run demo -- --keep to look around, or docs/how-to/install.md.']),
  );
  if (isKept) await keep(cluster, daemon);
} finally {
  await controllers.stop();
  await daemon?.stop();
  await cluster.stop();
}

async function startControlPlane(): Promise<Cluster> {
  await chooseBinaries(['etcd', 'kube-apiserver', ...(hasController ? ['kubectl' as const] : [])], progress);
  return startCluster({ progress });
}

function seconds(): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

async function show(cluster: Cluster, daemon: Daemon): Promise<Expectation[]> {
  print(title('The daemon: rights by name only, no certificate, no registration yet'));
  const { sinceStartMs } = await daemon.line('ready');
  print(`  ready after ${sinceStartMs} ms`);

  const [secret, registration] = [await cluster.secret(), await cluster.registration()];
  if (!secret || !registration) throw new Error(`the daemon is ready but has not written both:\n${daemon.output()}`);
  print(title(`Secret ${secret.metadata?.namespace}/${secret.metadata?.name}`), ...describeChain(secret));
  print(title('MutatingWebhookConfiguration'), ...describeRegistration(registration));

  await cluster.createNamespace(TEAM);
  const terraform = await recordedJob('create-terraform-apply', TEAM);
  const plain = await recordedJob('create-plain-job', TEAM);
  const storedTerraform = await createOnceCapped(cluster, terraform);
  const storedPlain = await cluster.createJob(plain);
  print(title('A Job of terraform-controller'), ...describeJob(terraform, storedTerraform));
  print(title('A Job that no rule matches'), ...describeJob(plain, storedPlain));

  const logged = daemon.lines.find(
    ({ message, name }) => message === 'admission request patched' && name === terraform.metadata?.name,
  );
  print(title('What the daemon logged'), `  ${JSON.stringify(logged)}`);

  const caBundle = registration.webhooks?.[0]?.clientConfig.caBundle;
  return [
    { text: "the live CA bundle is the Secret's", holds: caBundle === secret.data?.['ca.crt'] },
    {
      text: `the endpoint presents a chain that it verifies, for ${SERVER_NAME}`,
      holds: await isVerified(daemon, caBundle),
    },
    {
      text: 'the terraform Job is stored with backoffLimit 0 and restartPolicy Never',
      holds: storedTerraform.spec?.backoffLimit === 0 && storedTerraform.spec.template.spec?.restartPolicy === 'Never',
    },
    { text: 'the daemon logged it with namespace and name', holds: logged?.namespace === TEAM },
    {
      text: 'the other Job is stored unchanged, and the API server has not called the endpoint for it',
      holds:
        storedPlain.spec?.backoffLimit === plain.spec?.backoffLimit &&
        !daemon.lines.some(({ name, uid }) => uid !== undefined && name === plain.metadata?.name),
    },
  ];
}

async function showController(cluster: Cluster): Promise<Expectation> {
  print(title('The real terraform-controller, with a Configuration'));
  await startController(cluster, controllers, { progress });
  await createConfiguration(cluster, TEAM, CONFIGURATION);
  const job = await eventually(() =>
    cluster.batch.readNamespacedJob({ namespace: TEAM, name: `${CONFIGURATION}-apply` }),
  );
  const { backoffLimit, template } = job.spec ?? {};
  print(
    `  ${TEAM}/${job.metadata?.name}: backoffLimit ${backoffLimit}, restartPolicy ${template?.spec?.restartPolicy}`,
  );
  return {
    text: 'the Job of the real terraform-controller is stored with backoffLimit 0 and restartPolicy Never',
    holds: backoffLimit === 0 && template?.spec?.restartPolicy === 'Never',
  };
}

/**
 * Creates the Job as soon as the API server calls the endpoint for new Jobs. The API server sees a new registration
 * with a delay, and stores Jobs unchanged until then.
 */
async function createOnceCapped(cluster: Cluster, job: V1Job): Promise<V1Job> {
  await eventually(async () => {
    const name = `probe-${Date.now()}`;
    const { spec } = await cluster.createJob({ ...job, metadata: { ...job.metadata, name } });
    await cluster.batch.deleteNamespacedJob({ namespace: TEAM, name, propagationPolicy: 'Background' });
    if (spec?.backoffLimit !== 0) throw new Error('the API server does not call the endpoint yet');
  });
  return cluster.createJob(job);
}

async function isVerified(daemon: Daemon, caBundle: string | undefined): Promise<boolean> {
  const ca = Buffer.from(caBundle ?? '', 'base64').toString();
  return presentedCertificate(daemon.port, { ca, servername: SERVER_NAME }).then(
    () => true,
    () => false,
  );
}

async function keep(cluster: Cluster, daemon: Daemon): Promise<void> {
  const { probesPort } = await daemon.line('ready');
  print(
    title('It keeps running. To look around, with a kubectl of yours:'),
    `  export KUBECONFIG=${cluster.kubeconfig}`,
    `  kubectl -n ${TEAM} get jobs -o custom-columns=NAME:.metadata.name,LIMIT:.spec.backoffLimit`,
    '  kubectl -n vela-system describe secret terraform-job-webhook-cert',
    '  kubectl -n vela-system events --for secret/terraform-job-webhook-cert',
    '  kubectl get mutatingwebhookconfiguration terraform-job-webhook-configuration -o yaml',
    `  curl http://127.0.0.1:${probesPort}/metrics`,
    // The daemon listens on a free port of this machine, and the registration has the same one.
    `  terraform-daemon inspect --service-port=${daemon.port} --address=localhost:${daemon.port}`,
    ...(hasController
      ? [
          '  terraform-daemon applies -A',
          `  kubectl -n ${TEAM} describe configurations.terraform.core.oam.dev ${CONFIGURATION}`,
        ]
      : []),
    'terraform-daemon stands for `npx node dist/terraform-daemon.js`, after `npm run build`. No kube-controller-manager runs: no Job starts a',
    'Pod, and a deleted Namespace stays, so delete with `--wait=false`.',
    'Ctrl-C ends it and leaves nothing behind.',
  );
  const timer = setInterval(() => {}, 60_000);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  clearInterval(timer);
  print('stopping');
  // One Ctrl-C can arrive twice, from npm and from the terminal. The second must not kill the process during the
  // clean-up.
  for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => {});
}
