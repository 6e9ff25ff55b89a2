import { readArguments } from './arguments.ts';
import { ensureBinaries, ensureTool } from './control-plane/binaries.ts';
import { stderrProgress } from './control-plane/progress.ts';
import { ensureBaseImages } from './image/base-images.ts';
import { ensurePauseImage } from './image/images.ts';

readArguments(`npm run test-programs

Builds the programs that the cluster tests and node tests start, in the order of their use. A test waits for a program that is
not built yet.`);
const progress = stderrProgress();
await ensureBinaries(['etcd', 'kube-apiserver'], progress);
await ensureTool('vale', progress);
await ensureTool('actionlint', progress);
await ensureTool('cue', progress);
await ensureTool('setup-envtest', progress);
await ensureBinaries(['kube-controller-manager', 'kubectl'], progress);
await ensureTool('helm4', progress);
await ensureTool('helm3', progress);
await ensureTool('terraform-controller-v0.8.0', progress);
await ensureBinaries(['kubelet', 'kube-proxy', 'kube-scheduler'], progress);
await ensureTool('terraform-controller-master', progress);
await ensureBaseImages(progress);
await ensurePauseImage();
