dnl Built against an installed libmemcache: found by pkg-config, or below --with-libmemcache=DIR.

PHP_ARG_WITH([libmemcache],
  [for libmemcache],
  [AS_HELP_STRING([--with-libmemcache[=DIR]],
    [The libmemcache extension; DIR is the prefix it was installed below])])

PHP_ARG_ENABLE([libmemcache-strict],
  [whether every warning of the compiler is an error],
  [AS_HELP_STRING([--enable-libmemcache-strict],
    [Treat every warning of the compiler as an error])],
  [no], [no])

if test "$PHP_LIBMEMCACHE" != "no"; then
  if test "$PHP_LIBMEMCACHE" = "yes"; then
    PKG_CHECK_MODULES([LIBMEMCACHE], [libmemcache])
  else
    LIBMEMCACHE_CFLAGS="-I$PHP_LIBMEMCACHE/include"
    LIBMEMCACHE_LIBS="-L$PHP_LIBMEMCACHE/lib -lmemcache"
  fi
  PHP_EVAL_INCLINE([$LIBMEMCACHE_CFLAGS])
  PHP_EVAL_LIBLINE([$LIBMEMCACHE_LIBS], [LIBMEMCACHE_SHARED_LIBADD])

  PHP_CHECK_LIBRARY([memcache], [mcm_fetch_values], [],
    [AC_MSG_ERROR([libmemcache is not installed, or is the old one of the same name: see its README.md])],
    [$LIBMEMCACHE_LIBS])

  dnl php-memcached compresses with zlib where it was told to; without zlib such values cannot be read.
  AC_CHECK_HEADER([zlib.h], [
    AC_DEFINE([LMC_HAVE_ZLIB], [1], [Whether values that zlib compressed can be read])
    PHP_ADD_LIBRARY([z], [1], [LIBMEMCACHE_SHARED_LIBADD])
  ])

  lmc_flags="-std=gnu11"
  if test "$PHP_LIBMEMCACHE_STRICT" != "no"; then
    dnl PHP's own macros leave arguments unused and members of structs out.
    lmc_flags="$lmc_flags -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers"
  fi

  PHP_SUBST([LIBMEMCACHE_SHARED_LIBADD])
  PHP_ADD_EXTENSION_DEP([libmemcache], [session])
  PHP_NEW_EXTENSION([libmemcache],
    [module.c memory.c pool.c reason.c value.c fastlz.c client.c client_get.c client_store.c client_many.c client_count.c client_servers.c session.c session_data.c session_lock.c],
    [$ext_shared],, [$lmc_flags -DZEND_ENABLE_STATIC_TSRMLS_CACHE=1])
fi
