// Numbers and texts as people read them: the same words as the command line uses.

export const cut = (text, chars) => (text.length > chars ? `${text.slice(0, chars)}…` : text);

export const number = (count) => count.toLocaleString("en");

export function brief(count) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (count < size) continue;
    const scaled = count / size;
    return (scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1).replace(/\.0$/, "")) + unit;
  }
  return number(Math.round(count));
}

export function bytes(count) {
  return count < 1000 ? `${count} B` : `${brief(count).replace(/[kMG]$/, " $&")}B`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [whole / 86400, (whole / 3600) % 24, (whole / 60) % 60].map(Math.floor);
  const two = (value) => String(value).padStart(2, "0");
  if (days) return `${days}d ${two(hours)}h`;
  return hours ? `${hours}h ${two(minutes)}m` : `${minutes}m ${two(whole % 60)}s`;
}

export function dollars(usd) {
  if (usd > 0 && usd < 0.01) return `$${usd.toFixed(1 - Math.floor(Math.log10(usd)))}`;
  return `$${usd.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

export const rate = (perSecond) => `${perSecond >= 100 ? number(Math.round(perSecond)) : perSecond.toFixed(1)}/s`;

// A share in whole per cent, never 0 or 100 unless it is.
export function percent(part, whole) {
  if (!whole) return "";
  const share = Math.round((100 * part) / whole);
  return `${part > 0 && part < whole ? Math.min(99, Math.max(1, share)) : share} %`;
}

// A time as whole seconds since 1970, in the reader's own zone; of today only the hour.
export function when(seconds) {
  const at = new Date(seconds * 1000);
  const two = (value) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const hour = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return at.toDateString() === new Date().toDateString() ? hour : `${day} ${hour}`;
}

export const words = (label) => label.replaceAll("_", " ");
