import { ensureBinaries, ensureTool } from './control-plane/binaries.ts';
import { stderrProgress } from './control-plane/progress.ts';
import { ensureBaseImages } from './image/base-images.ts';
import { ensurePauseImage } from './image/images.ts';

/**
 * `npm run test-programs`: builds what the cluster tests and the node tests start, in the order in which they need it.
 * The gate does so beside the fast tests. A test whose program is not there yet waits for it.
 */

const progress = stderrProgress();
await ensureBinaries(['etcd', 'kube-apiserver'], progress);
await ensureTool('vale', progress);
await ensureBinaries(['kube-controller-manager', 'kubectl'], progress);
await ensureTool('helm4', progress);
await ensureTool('helm3', progress);
await ensureBinaries(['kubelet', 'kube-proxy', 'kube-scheduler'], progress);
await ensureBaseImages(progress);
await ensurePauseImage();
