"""The subjects: arcusctl, and the peers with one worker each and the least configuration that does the same work.

A peer has a function from a Place to its command, which stays in the foreground. nginx and HAProxy answer http and https as
reverse proxies with upstream connections kept for reuse: that is cheaper than what they can do as forward proxies, so
the comparison is in their favour.
"""
import collections
import os
import pwd
import resource
import shlex
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))
# What a subject is told: its kind, where to listen, where the origin is, a folder, and files of its certificate.
Place = collections.namedtuple("Place", "kind port origin folder cert key both")
# idle: connections that are held beside the load; tunnels: whether it knows CONNECT; extra: more environment
Subject = collections.namedtuple("Subject", "name program kinds command tunnels idle extra", defaults=(False, 0, {}))

CONNECTIONS = 6000  # more than any row has


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")


def write(place, name, text):
    path = os.path.join(place.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def own_name():
    return pwd.getpwuid(os.geteuid()).pw_name


# ---- ours ------------------------------------------------------------------
def arcusctl(place):
    return [os.path.join(HERE, "subject"), place.kind, str(place.port), str(place.origin), "1", place.cert, place.key]


# ---- nginx -----------------------------------------------------------------
NGINX = """{module}
daemon off;
user {user};
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log /dev/null crit;
events {{
  worker_connections 16384;
}}
"""

NGINX_HTTP = """http {{
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream origin {{
    server 127.0.0.1:{origin};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port}{ssl};
    {tls}
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_max_temp_file_size 0;
      {buffers}
    }}
  }}
}}
"""

NGINX_STREAM = """stream {{
  access_log off;
  {map}
  server {{
    listen 127.0.0.1:{port}{ssl};
    {tls}
    {buffers}
    proxy_pass {target};
  }}
}}
"""


def stream_module():
    """Debian has the stream part as a module of its own."""
    path = "/usr/lib/nginx/modules/ngx_stream_module.so"
    return f"load_module {path};" if os.path.exists(path) else ""


def nginx(place, is_big=False):
    is_tls = place.kind in ("https", "tls")
    words = {**place._asdict(), "user": own_name(), "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
             "module": stream_module(), "ssl": " ssl" if is_tls else "", "tls": "", "map": "", "buffers": "",
             "target": f"127.0.0.1:{place.origin}"}
    if is_tls:
        words["tls"] = (f"ssl_certificate {place.cert}; ssl_certificate_key {place.key}; ssl_protocols TLSv1.2 TLSv1.3; "
                        "ssl_session_cache shared:sessions:32m;")
    if place.kind == "sni":
        words.update(tls="ssl_preread on;", target="$backend",
                     map=f"map $ssl_preread_server_name $backend {{ a.test 127.0.0.1:{place.origin}; }}")
    if place.kind in ("http", "https"):
        if is_big:
            words["buffers"] = "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;"
        text = NGINX + NGINX_HTTP
    else:
        if is_big:
            words["buffers"] = "proxy_buffer_size 64k;"
        text = NGINX + NGINX_STREAM
    return [find("nginx"), "-p", place.folder, "-e", "/dev/null", "-c", write(place, "nginx.conf", text.format(**words))]


# ---- HAProxy ---------------------------------------------------------------
HAPROXY = """global
  nbthread 1
  maxconn {most}
  tune.ssl.cachesize 100000
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode {mode}
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  {splice}
frontend clients
  bind 127.0.0.1:{port}{tls}
  {routing}
backend origins
  {reuse}
  server origin 127.0.0.1:{origin}
"""


def haproxy(place, splices=False):
    is_http = place.kind in ("http", "https")
    words = {**place._asdict(), "mode": "http" if is_http else "tcp", "most": CONNECTIONS,
             "routing": "default_backend origins", "reuse": "http-reuse always" if is_http else "", "splice": "",
             "tls": f" ssl crt {place.both}" if place.kind in ("https", "tls") else ""}
    if splices:
        words["splice"] = "option splice-request\n  option splice-response"
    if place.kind == "sni":
        words["routing"] = ("tcp-request inspect-delay 10s\n"
                            "  tcp-request content accept if { req.ssl_hello_type 1 }\n"
                            "  use_backend origins if { req.ssl_sni -i a.test }")
    command = [find("haproxy"), "-db", "-f", write(place, "haproxy.cfg", HAPROXY.format(**words))]
    return command if splices else [*command, "-dS"]


# ---- forward proxies -------------------------------------------------------
SQUID = """{listen}
http_access allow all
pid_filename none
cache deny all
cache_mem 8 MB
access_log none
cache_log /dev/null
cache_store_log none
netdb_filename none
pinger_enable off
via off
forwarded_for delete
pconn_timeout 1 hour
client_idle_pconn_timeout 1 hour
max_filedescriptors 16384
shutdown_lifetime 0 seconds
coredump_dir {folder}
cache_effective_user {user}
"""


def squid(place):
    tls = f" tls-cert={place.cert} tls-key={place.key}"
    listen = f"https_port 127.0.0.1:{place.port}{tls}" if place.kind == "https" else f"http_port 127.0.0.1:{place.port}"
    user = "proxy" if os.geteuid() == 0 else own_name()
    path = write(place, "squid.conf", SQUID.format(listen=listen, folder=place.folder, user=user))
    # A name of its own keeps its shared memory apart from that of other runs.
    return [find("squid"), "-N", "-n", f"bench{place.port}", "-f", path]


TRAFFICSERVER = {
    "admin.user_id": "STRING #-1",
    "accept_threads": "INT 0",
    "exec_thread.autoconfig.enabled": "INT 0",
    "exec_thread.limit": "INT 1",
    "task_threads": "INT 1",
    "http.cache.http": "INT 0",
    "http.connect_ports": "STRING *",
    "http.insert_response_via_str": "INT 0",
    "http.keep_alive_no_activity_timeout_in": "INT 3600",
    "http.keep_alive_no_activity_timeout_out": "INT 3600",
    "log.logging_enabled": "INT 0",
    "net.connections_throttle": "INT 16000",
    "reverse_proxy.enabled": "INT 0",
    "url_remap.remap_required": "INT 0",
}


def trafficserver(place):
    folder = os.path.join(place.folder, "trafficserver")
    for name in ("run", "log", "cache"):
        os.makedirs(os.path.join(folder, name))
    records = {**TRAFFICSERVER, "http.server_ports": f"STRING {place.port}:ip-in=127.0.0.1"}
    texts = {
        "records.config": "".join(f"CONFIG proxy.config.{name} {value}\n" for name, value in records.items()),
        "storage.config": f"{folder}/cache 32M\n",
        **dict.fromkeys(("cache.config", "hosting.config", "parent.config", "plugin.config", "remap.config",
                         "splitdns.config", "ssl_multicert.config", "volume.config"), ""),
        "ip_allow.yaml": "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.0/8\n    action: allow\n    methods: ALL\n",
    }
    for name, text in texts.items():
        write(place, f"trafficserver/{name}", text)
    return ["/usr/bin/env", f"PROXY_CONFIG_CONFIG_DIR={folder}", f"PROXY_CONFIG_LOCAL_STATE_DIR={folder}/run",
            f"PROXY_CONFIG_LOG_LOGFILE_DIR={folder}/log", find("traffic_server")]


# ---- SOCKS -----------------------------------------------------------------
DANTE = """errorlog: /dev/null
internal: 127.0.0.1 port = {port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: {user}
user.unprivileged: {user}
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
"""


def dante(place):
    path = write(place, "danted.conf", DANTE.format(port=place.port, user=own_name()))
    return [find("danted"), "-f", path, "-p", os.path.join(place.folder, "danted.pid")]


def microsocks(place):
    return [find("microsocks"), "-i", "127.0.0.1", "-p", str(place.port)]


# ---- TLS and names ---------------------------------------------------------
HITCH = """frontend = "[127.0.0.1]:{port}"
backend = "[127.0.0.1]:{origin}"
pem-file = "{both}"
workers = 1
daemon = off
quiet = on
syslog = off
log-filename = "/dev/null"
tls-protos = TLSv1.2 TLSv1.3
"""


def hitch(place):
    path = write(place, "hitch.conf", HITCH.format(**place._asdict()))
    return [find("hitch"), f"--config={path}", f"--user={own_name()}"]


STUNNEL = """foreground = yes
debug = 0
pid = {folder}/stunnel.pid
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[bench]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{origin}
cert = {cert}
key = {key}
TIMEOUTclose = 0
"""


def stunnel(place):
    return [find("stunnel4"), write(place, "stunnel.conf", STUNNEL.format(**place._asdict()))]


SNIPROXY = """user {user}
pidfile {folder}/sniproxy.pid
error_log {{
  filename /dev/null
  priority emerg
}}
listener 127.0.0.1:{port} {{
  proto tls
  table names
  access_log {{
    filename /dev/null
    priority emerg
  }}
}}
table names {{
  a\\.test 127.0.0.1:{origin}
}}
"""


def sniproxy(place):
    return [find("sniproxy"), "-f", "-c", write(place, "sniproxy.conf", SNIPROXY.format(user=own_name(), **place._asdict()))]


# ---- the table -------------------------------------------------------------
ALL = ("http", "https", "sni", "socks", "tcp", "tls")
NOT_SOCKS = ("http", "https", "sni", "tcp", "tls")
OURS = "arcusctl"
SUBJECTS = (
    Subject(OURS, "bash", ALL, arcusctl, True),
    Subject("dante", "danted", ("socks",), dante),
    Subject("haproxy", "haproxy", NOT_SOCKS, haproxy),
    Subject("haproxy-splice", "haproxy", ("http", "sni", "tcp"), lambda place: haproxy(place, True)),
    Subject("hitch", "hitch", ("tls",), hitch),
    Subject("microsocks", "microsocks", ("socks",), microsocks),
    Subject("nginx", "nginx", NOT_SOCKS, nginx),
    Subject("nginx-64k", "nginx", NOT_SOCKS, lambda place: nginx(place, True)),
    Subject("sniproxy", "sniproxy", ("sni",), sniproxy),
    Subject("squid", "squid", ("http", "https"), squid, True),
    Subject("stunnel", "stunnel4", ("tls",), stunnel),
    Subject("trafficserver", "traffic_server", ("http",), trafficserver, True),
)
# Ours again, with much around the server that is measured.
CROWDED = (
    Subject("arcusctl+servers", "bash", ALL, arcusctl, True, 0, {"SERVERS": "1000"}),
    Subject("arcusctl+rules", "bash", ALL, arcusctl, True, 0, {"RULES": "10000"}),
    Subject("arcusctl+idle", "bash", ALL, arcusctl, True, 10000),
)


def added(text):
    """A subject of the command line: NAME=COMMAND, where the words of Place stand in braces."""
    name, _, command = text.partition("=")
    if not name or not command:
        raise ValueError(f"'{text}' is not NAME=COMMAND")
    words = shlex.split(command)
    return Subject(name, words[0], ALL, lambda place: [word.format(**place._asdict()) for word in words], True)


def can(subject, row):
    """Whether the subject does the work of the row at all."""
    return row.kind in subject.kinds and (subject.tunnels or "--preface connect" not in row.load)
