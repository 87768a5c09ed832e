"""How the live page looks and keeps itself fresh. Constants: their hashes are in the page's security policy."""

from typing import Final

STYLE: Final = """
:root{--bg:#f4f5f7;--card:#fff;--ink:#1b1f24;--dim:#5b6470;--line:#e3e6ea;--good:#116b36;--warn:#8a5300;--bad:#b3151c;
--master:#16803f;--backup:#2b62b8;--init:#6b7280;--chip:#fff0d6}
@media(prefers-color-scheme:dark){:root{--bg:#12151a;--card:#1b2028;--ink:#e6e9ee;--dim:#98a2b0;--line:#2c333d;
--good:#58cf86;--warn:#f0b45a;--bad:#ff7b7b;--master:#1f8f4b;--backup:#3b74cf;--init:#5b6470;--chip:#4a3512}}
*{box-sizing:border-box;margin:0}
body{background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:auto;padding:1rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;margin-bottom:1rem}
h1{font-size:1.3rem;overflow-wrap:anywhere}h2{font-size:1rem}header p,small{color:var(--dim)}
h3{font-size:.8rem;margin:1rem 0 .25rem;color:var(--dim);font-weight:600;text-transform:uppercase;letter-spacing:.05em}
#live{margin-left:auto;font-size:.85rem}body.lost #live{color:var(--bad);font-weight:600}
body.lost main{opacity:.45;filter:grayscale(1)}
section{background:var(--card);border:1px solid var(--line);border-top:4px solid var(--line);border-radius:8px;
padding:1rem;margin-bottom:1rem}
section.master{border-top-color:var(--master)}section.backup{border-top-color:var(--backup)}
section.init{border-top-color:var(--init)}
.head small{white-space:nowrap}
.head{display:flex;gap:1rem;align-items:center}
.state{font-size:1.25rem;font-weight:700;color:#fff;padding:.3rem .8rem;border-radius:6px;background:var(--init)}
.master .state{background:var(--master)}.backup .state{background:var(--backup)}
.verdict{margin-top:.6rem;padding-left:.7rem;border-left:4px solid;font-weight:600;overflow-wrap:anywhere}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin-top:.8rem}
dt,th{color:var(--dim);font-weight:400}dd{overflow-wrap:anywhere}
code,td{font-variant-numeric:tabular-nums}code{font-size:.95em}
.chip{background:var(--chip);border-radius:99px;padding:0 .6rem;white-space:nowrap}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
td:last-child,td[data-name=peer]{white-space:normal;overflow-wrap:anywhere;min-width:7rem}td[data-name=key]{min-width:0}
tr:last-child td{border-bottom:0}
@media(max-width:46rem){body{padding:.5rem}thead{display:none}tr{display:block;padding:.35rem 0}
tr+tr{border-top:1px solid var(--line)}td{display:grid;grid-template-columns:5.5rem 1fr;
border:0;padding:0;white-space:normal}
td::before{content:attr(data-name);color:var(--dim)}dl{gap:.15rem .75rem}}
"""

SCRIPT: Final = """
"use strict";
const live = document.getElementById("live");
let heard = new Date();
function say(lost) {
  document.body.classList.toggle("lost", lost);
  live.textContent = lost ? "no answer since " + heard.toLocaleTimeString() : "live";
}
async function refresh() {
  try {
    const answer = await fetch(location.pathname, {cache: "no-store", signal: AbortSignal.timeout(3000)});
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (getSelection().isCollapsed) document.querySelector("main").replaceWith(next.querySelector("main"));
    document.title = next.title;
    heard = new Date();
    say(false);
  } catch {
    say(true);
  }
  setTimeout(refresh, 1000);
}
say(false);
setTimeout(refresh, 1000);
"""
