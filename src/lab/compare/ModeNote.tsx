import './mode-note.css';

/** What became of the modes that are not the one to choose today. */
export const ModeNote = () => (
  <p className="mode-note">
    IPVS mode is deprecated since Kubernetes 1.35; nftables is its successor. The first mode of all, userspace, accepted each connection in
    kube-proxy itself and copied its data to an endpoint; it went with Kubernetes 1.26 and is not simulated.
  </p>
);
