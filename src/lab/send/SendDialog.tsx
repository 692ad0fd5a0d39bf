export function SendDialog() {
  return null;
}
