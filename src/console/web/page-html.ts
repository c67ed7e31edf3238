/** The one page of the web view; everything in it is filled in by its script. */
export const PAGE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TotalDeploy</title>
<link rel="stylesheet" href="/page.css">
<link rel="icon" href="data:,">
<script src="/page.js" defer></script>
</head>
<body>
<header>
<h1>TotalDeploy</h1>
<p id="console"></p>
<p id="contact" role="status">Connecting…</p>
<button id="sign-in" type="button" hidden>Sign in</button>
<button id="sign-out" type="button" hidden>Sign out</button>
</header>
<main>
<section id="start" hidden aria-labelledby="start-title">
<h2 id="start-title">Start a template</h2>
<form id="start-form">
<label for="template">Template</label>
<select id="template"></select>
<button>Start…</button>
</form>
<p id="no-templates" class="quiet" hidden>There is no template that can be started. Make one in the console's wizard.</p>
</section>
<section aria-labelledby="jobs-title">
<h2 id="jobs-title">Jobs</h2>
<p id="no-jobs" class="quiet">No job is running.</p>
<div id="jobs"></div>
</section>
<section aria-labelledby="computers-title">
<h2 id="computers-title">Computers <span id="computer-count" class="quiet"></span></h2>
<p id="no-computers" class="quiet">No computer is connected.</p>
<ul id="computers" class="rows"></ul>
</section>
</main>
<dialog id="dialog" aria-labelledby="dialog-title">
<form method="dialog" id="dialog-form">
<h2 id="dialog-title"></h2>
<div id="dialog-body"></div>
<p id="password-row" hidden><label for="password">Password of the console</label>
<input id="password" type="password" autocomplete="current-password" maxlength="256"></p>
<p id="dialog-problem" class="failed" role="alert"></p>
<p class="buttons"><button id="dialog-ok" type="submit"></button> <button id="dialog-no" type="button">Back</button></p>
</form>
</dialog>
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
`;
