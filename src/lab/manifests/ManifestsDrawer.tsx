export default function ManifestsDrawer() {
  return null;
}
